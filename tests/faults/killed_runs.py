"""Runs of a command that are killed at random moments, and gone on with until one is done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

KILLS = int(os.environ.get("FKD_KILLS", "3"))
"""How often each kind of run is killed: few in every test run, a hundred by `make faults`."""
_PATIENCE = 120.0


@dataclass
class KillCounts:
    """What came of it."""

    kills: int = 0
    completed: int = 0

    def __str__(self) -> str:
        return f"{self.kills} kills, {self.completed} runs completed after them, 0 differences"


def time_run(command: Sequence[str]) -> float:
    """How long an undisturbed run takes, and that it ends well."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def kill_until_done(
    begin: Callable[[], Sequence[str]],
    go_on: Sequence[str],
    seconds: float,
    check: Callable[[], None],
) -> KillCounts:
    """Starts a run, kills it by SIGKILL within so many seconds, goes on with it and kills that,
    until one is done before it is killed; then checks what it made, and begins anew, until there
    were KILLS of them and a run was completed.

    `begin` clears all outputs and gives the command. The moments come from a fixed seed.
    """
    chance, tally = random.Random(7), KillCounts()
    while tally.kills < KILLS or not tally.completed:
        command: Sequence[str] = begin()
        while True:
            lasting = tally.kills >= KILLS
            patience = _PATIENCE if lasting else chance.uniform(0, 1.1 * seconds)
            if _is_done(command, patience):
                break
            assert not lasting, f"{' '.join(command)} hung"
            tally.kills += 1
            command = go_on
        check()
        tally.completed += 1
    return tally


def _is_done(command: Sequence[str], patience: float) -> bool:
    """Whether a run came to its end; else it was killed, with all processes that it started."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return False
    assert process.returncode == 0, said
    return True


def read_outputs(folder: Path) -> dict[str, object]:
    """All files below a folder but hidden ones, by name: their bytes, and of Matroska files, which
    are numbered at random, what is in them."""
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
