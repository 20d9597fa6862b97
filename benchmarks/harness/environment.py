"""The machine that a measurement was made on, and how a process is kept to some of its cores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fkd_infer.system.hardware import available_threads, cgroup_limit, cpu_features, cpu_name
from fkd_train.errors import RunError

ROOT = Path(__file__).parents[2]
BUSY = 0.3
"""Load average from which on a machine is not idle."""
_PACKAGES = (
    "numpy",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "opencv-python-headless",
    "av",
)
_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Environment:
    """What a run's figures depend on besides the code that is measured."""

    date: str
    command_line: tuple[str, ...]
    cpu: str
    cpu_features: tuple[str, ...]
    cores: tuple[int, ...]
    cgroup_cores: float | None
    governor: str | None
    load_average: tuple[float, float, float]
    memory_gib: float
    system: str
    python: str
    packages: dict[str, str]
    commit: str | None

    def warnings(self) -> list[str]:
        """What makes the figures of this run worth little."""
        if self.load_average[0] < BUSY:
            return []
        return [f"the machine is busy (load average {self.load_average[0]:.2f}): not for keeping"]


def manifest() -> Environment:
    """This machine, now."""
    return Environment(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command_line=tuple(sys.argv),
        cpu=cpu_name(),
        cpu_features=cpu_features(),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        cgroup_cores=cgroup_limit(),
        governor=_text(_CPUS / "cpu0" / "cpufreq" / "scaling_governor"),
        load_average=os.getloadavg(),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        system=platform.platform(),
        python=platform.python_version(),
        packages=_versions(),
        commit=_commit(),
    )


def choose_cores(threads: int) -> list[int]:
    """So many cores of this process, of different physical ones as far as there are.

    Raises RunError where it may not use so many.
    """
    usable = available_threads()
    if threads > usable:
        raise RunError(f"{threads} threads", f"this process may use {usable}")
    first_siblings: list[int] = []
    others: list[int] = []
    seen: set[str] = set()
    for core in sorted(os.sched_getaffinity(0)):
        siblings = _text(_CPUS / f"cpu{core}" / "topology" / "thread_siblings_list") or str(core)
        (others if siblings in seen else first_siblings).append(core)
        seen.add(siblings)
    return [*first_siblings, *others][:threads]


def child_environment(threads: int) -> dict[str, str]:
    """The variables of a process whose libraries take so many threads, and that finds this one."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict.fromkeys(limits, str(threads)),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The checkout's commit, with a + where files differ from it; None outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    # What git is asked stands here.
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # nosec B603
    return done.stdout.strip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
