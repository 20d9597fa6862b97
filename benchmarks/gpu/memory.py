"""Memory in use while the contenders of a part are open."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.plan import CheckPlan, Result, measured
from benchmarks.harness.results import Figure

_STATUS = Path("/proc/self/status")


def memory(plan: CheckPlan, part: str, model: str | Path) -> Iterator[Result]:
    """Yields the GPU's memory in use, by all its programs, and this process' resident memory."""
    figures = {"GPU, in use": Figure(used, "MiB")} if (used := gpu_memory(plan)) else {}
    figures["this process"] = Figure(resident_memory(), "MiB")
    yield measured("memory", model, f"during {part}", figures)


def gpu_memory(plan: CheckPlan) -> float | None:
    """Returns MiB in use on the plan's GPU, None where NVIDIA's driver does not say."""
    program = shutil.which("nvidia-smi")
    if program is None or not plan.is_nvidia:
        return None
    query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    command = [program, *query, f"--id={plan.choice.device or 0}"]
    # The driver's program, found on the PATH.
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)  # nosec B603
    text = done.stdout.strip()
    return float(text) if text.isdecimal() else None


def resident_memory() -> float:
    """Returns this process' resident memory, in MiB."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024
