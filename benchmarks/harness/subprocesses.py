"""Runs programs on a fixed number of cores, and measures the time and memory that they need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from benchmarks.harness.environment import child_environment, choose_cores
from fkd_infer.errors import ContenderError
from fkd_infer.tuning.interleaved import Contender


@dataclass(frozen=True)
class ProcessUsage:
    """Time and memory of a program that succeeded.

    `cpu_seconds` is the sum over its processes, `peak_mib` the peak of the largest one.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def pinned_command(command: Sequence[str], threads: int) -> list[str]:
    """The command, limited to `threads` cores; raises RunError if there are fewer."""
    cores = ",".join(map(str, choose_cores(threads)))
    return [sys.executable, "-m", "benchmarks.harness.cpu_affinity", cores, *command]


def pin_contender(contender: Contender, threads: int) -> Contender:
    """The contender, limited to `threads` cores, with as many threads per library."""
    command = pinned_command(contender.command, threads)
    return Contender(contender.name, command, child_environment(threads))


def run_pinned(name: str, command: Sequence[str], threads: int) -> ProcessUsage:
    """Runs a program on `threads` cores and discards what it prints.

    Raises ContenderError with its last line of output if it fails.
    """
    with TemporaryDirectory() as folder, TemporaryFile("w+") as stderr:
        out = Path(folder) / "usage.json"
        metered = [sys.executable, "-m", "benchmarks.harness.resource_usage", str(out), *command]
        process = subprocess.Popen(  # the command comes from the benchmark  # nosec B603
            pinned_command(metered, threads),
            env=child_environment(threads),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            exit_code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if exit_code:
            stderr.seek(0)
            lines = stderr.read().strip().splitlines() or ["no output"]
            raise ContenderError(name, lines[-1])
        seconds, cpu_seconds, peak_kib = json.loads(out.read_text())
    return ProcessUsage(seconds, cpu_seconds, peak_kib / 1024)
