"""What this machine is: cores and memory that this process may use, and what its CPU can do."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")
VECTOR_FEATURES = (
    "avx2",
    "f16c",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "asimddp",
    "i8mm",
)
"""What decides how fast int8 and half precision are, in Linux' words, x86 first and then Arm."""
DOT_PRODUCTS = frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"})
"""Any of these multiplies int8 and adds up in 32 bits at once, so that U8S8 does not saturate."""


def available_threads() -> int:
    """Cores that this process may keep busy: its affinity, and its container's limit if lower.

    A limit of 2.5 cores makes two threads: a third would be stopped for half of each period, and
    the others would wait for it.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = cgroup_limit()
    return cores if limit is None else max(1, min(cores, int(limit)))


def cgroup_limit(root: Path = _CGROUPS, own: Path = _OWN_GROUPS) -> float | None:
    """Cores that the process' control groups, version 2 or 1, allow it; None for no limit."""
    groups = _groups(root, own, "cpu")
    return min((limit for one in groups if (limit := _limit_of(one)) is not None), default=None)


def memory_limit(
    root: Path = _CGROUPS, own: Path = _OWN_GROUPS, meminfo: Path = _MEMINFO
) -> int | None:
    """Bytes that this process may have at most: the machine's, or what its control groups or its
    own limit of address space leave of them; None where the system does not tell."""
    found = []
    for line in _text(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            found.append(1024 * int(value.split()[0]))
    for group in _groups(root, own, "memory"):
        for file in ("memory.max", "memory.limit_in_bytes"):
            limit = _text(group / file).strip()
            if limit.isdigit():
                found.append(int(limit))
    if sys.platform != "win32":
        space, _ = resource.getrlimit(resource.RLIMIT_AS)
        if space != resource.RLIM_INFINITY:
            found.append(space)
    return min(found, default=None)


def _groups(root: Path, own: Path, controller: str) -> list[Path]:
    """Folders of the process' control groups, up to the root, as it sees them."""
    found = [root, root / controller]
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controller if controllers else root
        group = base / path.lstrip("/")
        found += [group, *(parent for parent in group.parents if base in parent.parents)]
    return found


def _limit_of(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None  # "max", "-1", or no such file
    return int(quota) / int(period)


def cpu_name() -> str:
    """The processor's name, as the system gives it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_features() -> tuple[str, ...]:
    """Those of VECTOR_FEATURES that the CPU has; none where the system does not tell."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return tuple(name for name in VECTOR_FEATURES if name in flags)


def _cpuinfo(field: str) -> str:
    """The first core's entry of a field in /proc/cpuinfo; empty where there is none."""
    for line in _text(_CPUINFO).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _text(path: Path) -> str:
    """A file's text; empty where it cannot be read, as where the system has no such file."""
    try:
        return path.read_text()
    except OSError:
        return ""
