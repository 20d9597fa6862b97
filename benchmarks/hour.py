"""A long video through fkd-infer: whether its memory stays flat, and the result is whole."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.pipeline import check_container
from benchmarks.results import Figure, Measurement, Recorder
from benchmarks.scenes import RATE, Scene, make_video
from fkd_infer.errors import ContenderError

COMMAND = "hour"
SCENE = Scene(180, 1)
_STARTED = 0.1
"""Share of the run after which everything that is kept has been made."""
_PATIENCE = 0.5


def hour(minutes: int, folder: Path, recorder: Recorder) -> None:
    """Runs fkd-infer once on a video of so many minutes, with an overlay and JSON lines."""
    seconds = 60 * minutes
    given = folder / f"{SCENE.name}-{seconds}s.mp4"
    if not given.exists():
        make_video(SCENE, given, seconds)
    result = folder / "result" / given.name
    records = folder / f"{given.stem}.jsonl"
    arguments = [str(given), "--out", str(result.parent), "--json", str(records), "--no-tuned"]
    command = [sys.executable, "-m", "fkd_infer.cli", *arguments, "--quiet"]
    started = time.perf_counter()
    memory = _watched(command)
    rate = seconds * RATE / (time.perf_counter() - started)
    early = np.array(memory[int(_STARTED * len(memory)) : int(2 * _STARTED * len(memory)) + 1])
    late = np.array(memory[-max(1, int(_STARTED * len(memory))) :])
    lines = sum(1 for _ in records.open())
    figures = {
        "speed": Figure(rate, "frames/s", better="higher"),
        "memory early": Figure(float(early.mean()), "MiB"),
        "memory late": Figure(float(late.mean()), "MiB"),
        "memory at most": Figure(max(memory), "MiB", better="lower"),
        "records lost": Figure(seconds * RATE - lines, "frames"),
        **check_container(given, result),
    }
    conditions = {"minutes": str(minutes)}
    recorder.measured(Measurement(COMMAND, SCENE.name, "fkd-infer", conditions, figures))


def _watched(command: list[str]) -> list[float]:
    """The memory of a program while it runs, in MiB; raises ContenderError where it fails."""
    memory: list[float] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        statistics = Path(f"/proc/{process.pid}/statm")
        while process.poll() is None:
            pages = int(statistics.read_text().split()[1])
            memory.append(pages * resource.getpagesize() / 2**20)
            time.sleep(_PATIENCE)
        said = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise ContenderError("fkd-infer", (said.strip().splitlines() or ["it said nothing"])[-1])
    return memory
