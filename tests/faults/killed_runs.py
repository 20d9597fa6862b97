"""Runs a command, kills it at random moments, and resumes it until it is complete."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from process_group import run_for

KILLS = int(os.environ.get("FKD_KILLS", "3"))
"""Kills of each kind of run; `make faults` sets a hundred."""
_TIMEOUT = 120.0


@dataclass
class KillCounts:
    """Kills, and runs that were completed after them."""

    kills: int = 0
    completed: int = 0

    def __str__(self) -> str:
        return f"{self.kills} kills, {self.completed} runs completed after them, 0 differences"


def time_run(command: Sequence[str]) -> float:
    """Runs a command that must succeed; returns its seconds."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def kill_until_done(
    start: Callable[[], Sequence[str]],
    resume: Sequence[str],
    seconds: float,
    check: Callable[[], None],
) -> KillCounts:
    """Kills a run with SIGKILL at random moments within `seconds`, and resumes it, until it is
    complete; then checks its outputs. Repeats until there were KILLS kills and a complete run.

    `start` clears all outputs and returns the command. The moments have a fixed seed.
    """
    rng, counts = random.Random(7), KillCounts()
    while counts.kills < KILLS or not counts.completed:
        command: Sequence[str] = start()
        while True:
            last = counts.kills >= KILLS
            timeout = _TIMEOUT if last else rng.uniform(0, 1.1 * seconds)
            if _completes(command, timeout):
                break
            assert not last, f"{' '.join(command)} hung"
            counts.kills += 1
            command = resume
        check()
        counts.completed += 1
    return counts


def _completes(command: Sequence[str], timeout: float) -> bool:
    """Whether a run ends within the timeout; otherwise kills it and its child processes."""
    done = run_for(timeout, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done is None:
        return False
    assert done.returncode == 0, done.stderr
    return True


def read_outputs(folder: Path) -> dict[str, object]:
    """Reads all files below a folder except hidden ones, by name: their bytes, or for Matroska
    files, which have random ids, their packets."""
    return {
        str(file.relative_to(folder)): _packets(file)
        if file.suffix == ".mkv"
        else file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def _packets(video: Path) -> list[tuple[int, int | None, int | None, int | None, bytes]]:
    import av

    with av.open(str(video)) as container:
        return [
            (packet.stream_index, packet.pts, packet.dts, packet.duration, bytes(packet))
            for packet in container.demux()
        ]
