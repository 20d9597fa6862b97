"""Programs in processes of their own, kept to some cores, with what they cost."""

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
class Finished:
    """What a program that ended well cost.

    `cpu_seconds` are those of all its processes; `peak_mib` is the most memory that its largest
    process held.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def pinned_command(command: Sequence[str], threads: int) -> list[str]:
    """The command, kept to so many cores; raises RunError where there are fewer."""
    cores = ",".join(map(str, choose_cores(threads)))
    return [sys.executable, "-m", "benchmarks.harness.pinned", cores, *command]


def pinned(contender: Contender, threads: int) -> Contender:
    """The contender, kept to so many cores, and its libraries to so many threads."""
    command = pinned_command(contender.command, threads)
    return Contender(contender.name, command, child_environment(threads))


def run_pinned(name: str, command: Sequence[str], threads: int) -> Finished:
    """Runs a program on so many cores; raises ContenderError with its last line where it fails.

    What it prints is dropped.
    """
    with TemporaryDirectory() as folder, TemporaryFile("w+") as said:
        out = Path(folder) / "costs.json"
        metered = [sys.executable, "-m", "benchmarks.harness.metered", str(out), *command]
        process = subprocess.Popen(  # whoever measures gives the command  # nosec B603
            pinned_command(metered, threads),
            env=child_environment(threads),
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            failed = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if failed:
            said.seek(0)
            lines = said.read().strip().splitlines() or ["it said nothing"]
            raise ContenderError(name, lines[-1])
        seconds, cpu_seconds, peak_kib = json.loads(out.read_text())
    return Finished(seconds, cpu_seconds, peak_kib / 1024)
