"""Describes the machine of a measurement, and chooses the cores of a process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fkd_infer.system.hardware import available_threads, cgroup_limit, cpu_features, cpu_name
from fkd_train.errors import RunError

ROOT = Path(__file__).parents[2]
BUSY = 0.3
"""Load average at or above which the machine counts as busy."""
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
    """What figures depend on besides the measured code."""

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
        """Reasons not to trust the figures of this run."""
        if self.load_average[0] < BUSY:
            return []
        load = f"load average {self.load_average[0]:.2f}"
        return [f"the machine is busy ({load}): do not keep these figures"]


def current_environment() -> Environment:
    """This machine and process, now."""
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
    """Chooses `threads` of the cores that this process may use, different physical cores first.

    Raises RunError if there are fewer.
    """
    usable = available_threads()
    if threads > usable:
        raise RunError(f"{threads} threads", f"this process may use {usable}")
    physical: dict[str, int] = {}
    cores = sorted(os.sched_getaffinity(0))
    for core in cores:
        siblings = _text(_CPUS / f"cpu{core}" / "topology" / "thread_siblings_list") or str(core)
        physical.setdefault(siblings, core)
    first_siblings = list(physical.values())
    return [*first_siblings, *(core for core in cores if core not in first_siblings)][:threads]


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a process with `threads` threads per library that can import this code."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict.fromkeys(limits, str(threads)),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _commit() -> str | None:
    """The commit, with a + if files differ from it; None outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    # The arguments are constants.
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # nosec B603
    return done.stdout.strip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
