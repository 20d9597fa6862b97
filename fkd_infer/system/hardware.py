"""The machine: the cores and memory that this process may use, and the CPU's features."""

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
"""CPU features that decide the speed of int8 and half precision, by Linux' names; x86, then Arm."""
DOT_PRODUCTS = frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"})
"""Features that multiply int8 and add in 32 bits in one step, so that U8S8 does not saturate."""


def available_threads() -> int:
    """Returns how many cores this process can keep busy: its affinity, or its container's limit.

    A limit of 2.5 cores counts as two threads: a third would be paused for half of each period,
    and the others would wait for it.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = cgroup_limit()
    return cores if limit is None else max(1, min(cores, int(limit)))


def cgroup_limit(root: Path = _CGROUPS, own: Path = _OWN_GROUPS) -> float | None:
    """Returns how many cores the process' control groups (v1 or v2) allow; None for no limit."""
    limits = (_cpu_limit(group) for group in _groups(root, own, "cpu"))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(
    root: Path = _CGROUPS, own: Path = _OWN_GROUPS, meminfo: Path = _MEMINFO
) -> int | None:
    """Returns how many bytes this process may use; None if the system does not say.

    That is the least of the machine's memory, the limits of its control groups, and its own limit
    of address space.
    """
    limits = []
    for line in _read(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            limits.append(1024 * int(value.split()[0]))
    for group in _groups(root, own, "memory"):
        for file in ("memory.max", "memory.limit_in_bytes"):
            limit = _read(group / file).strip()
            if limit.isdigit():
                limits.append(int(limit))
    if sys.platform != "win32":
        address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
        if address_space != resource.RLIM_INFINITY:
            limits.append(address_space)
    return min(limits, default=None)


def cpu_name() -> str:
    """Returns the processor's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_features() -> tuple[str, ...]:
    """Returns which VECTOR_FEATURES the CPU has; none if the system does not say."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return tuple(name for name in VECTOR_FEATURES if name in flags)


def _groups(root: Path, own: Path, controller: str) -> list[Path]:
    """Returns the folders of the process' control groups and of their parents."""
    folders = [root, root / controller]
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controller if controllers else root
        group = base / path.lstrip("/")
        folders += [group, *(parent for parent in group.parents if base in parent.parents)]
    return folders


def _cpu_limit(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _read(group / "cpu.cfs_quota_us").strip()
        period = _read(group / "cpu.cfs_period_us").strip()
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None  # "max", "-1", or no such file
    return int(quota) / int(period)


def _cpuinfo(field: str) -> str:
    """Returns the first core's value of a field in /proc/cpuinfo, or an empty string."""
    for line in _read(_CPUINFO).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _read(path: Path) -> str:
    """Returns a file's text, or an empty string if it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
