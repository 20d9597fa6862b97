"""Programs in processes of their own, kept to some cores, with what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import MappingProxyType

from benchmarks.environment import child_environment, choose_cores
from fkd_infer.alternate import Contender
from fkd_infer.errors import ContenderError

MIB = 2**20


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
    return [sys.executable, "-m", "benchmarks.pinned", cores, *command]


def pinned(contender: Contender, threads: int) -> Contender:
    """The contender, kept to so many cores, and its libraries to so many threads."""
    command = pinned_command(contender.command, threads)
    return Contender(contender.name, command, child_environment(threads))


def run_pinned(
    name: str,
    command: Sequence[str],
    threads: int,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Finished:
    """Runs a program on so many cores; raises ContenderError with its last line where it fails.

    What it prints is dropped; `variables` are added to its environment.
    """
    with TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            pinned_command(command, threads),
            env={**child_environment(threads), **variables},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            # wait4, since it tells of this child alone and getrusage of all there ever were.
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            lines = said.read().strip().splitlines() or ["it said nothing"]
            raise ContenderError(name, lines[-1])
    return Finished(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / MIB)
