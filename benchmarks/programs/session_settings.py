"""A row for each default of SessionSettings, for single calls and between OpenCV's work."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, digest
from benchmarks.harness.subprocesses import pinned
from benchmarks.networks.latency import Turns, call_figures
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import Contender, serve, time_interleaved
from fkd_infer.tuning.session_worker import session_contender

COMMAND = "settings"
DEFAULT = "the defaults"
AGAIN = "the defaults again"
"""Its difference from the first is what chance makes."""


@dataclass(frozen=True)
class Choice:
    """The defaults with one of them changed."""

    name: str
    settings: SessionSettings
    opencv_threads: int | None = None


def choices(threads: int) -> list[Choice]:
    """The defaults twice, and each other choice; OpenCV's matter only between its work."""
    base = SessionSettings(threads)
    found = [
        Choice(DEFAULT, base),
        Choice(AGAIN, base),
        Choice("spin", replace(base, spin=True)),
        Choice("level none", replace(base, level="none")),
        Choice("level basic", replace(base, level="basic")),
        Choice("level extended", replace(base, level="extended")),
        Choice("denormals_as_zero", replace(base, denormals_as_zero=True)),
        Choice("no arena", replace(base, arena=False)),
    ]
    if threads > 1:
        found += [
            Choice("1 thread", replace(base, threads=1)),
            Choice("OpenCV on 1 thread", base, opencv_threads=1),
            Choice("1 thread, OpenCV on 1 thread", replace(base, threads=1), opencv_threads=1),
        ]
    return found


def settings(model: Path, turns: Turns, recorder: Recorder) -> None:
    """Measures all choices on all cores of this process."""
    from benchmarks.programs.scenes import Scene

    threads = available_threads()
    single = [choice for choice in choices(threads) if choice.opencv_threads is None]
    calls = [session_contender(choice.name, model, choice.settings) for choice in single]
    _compare("single calls", model, calls, threads, turns, recorder)
    with TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.npy"
        scene = Scene(720, 1)
        np.save(frame, scene.frame(scene.photo(), 0))
        frames = [_frame_contender(choice, model, frame) for choice in choices(threads)]
        _compare("frames of 720p", model, frames, threads, turns, recorder)


def _compare(
    where: str,
    model: Path,
    contenders: list[Contender],
    threads: int,
    turns: Turns,
    recorder: Recorder,
) -> None:
    times = time_interleaved([pinned(c, threads) for c in contenders], turns.blocks, turns.seconds)
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    for name, blocks in times.items():
        figures = call_figures(blocks)
        relative = statistics.ratio(medians[name], medians[DEFAULT])
        figures["of the defaults' time"] = Figure.of(relative, "%", 100)
        conditions = {"where": where, "cores": str(threads)}
        recorder.measured(
            Measurement(
                COMMAND,
                model.name,
                name,
                conditions,
                figures,
                digest(model),
                tuple(medians[name].tolist()),
            )
        )


def _frame_contender(choice: Choice, model: Path, frame: Path) -> Contender:
    given = json.dumps(asdict(choice.settings))
    opencv = "" if choice.opencv_threads is None else str(choice.opencv_threads)
    command = [sys.executable, "-m", __name__, str(model), str(frame), given, opencv]
    return Contender(choice.name, command)


def main(model: str, frame: str, given: str, opencv: str) -> None:
    """Serves: a video's frame from detection to points, as fkd-infer finds them."""
    import cv2

    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.detection.registry import FKD
    from fkd_infer.detection.tiling import Search
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.runtime.session import LandmarkSession

    if opencv:
        cv2.setNumThreads(int(opencv))
    settings = SessionSettings(**json.loads(given))
    search = Search(FKD.search_sizes.videos)
    detector = FkdDetector(search=search, provider="cpu", settings=settings)
    find = Pipeline(LandmarkSession(model, "cpu", settings), detector)
    image = np.load(frame)
    serve(lambda: find(image))


if __name__ == "__main__":
    main(*sys.argv[1:])
