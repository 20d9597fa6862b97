"""Compares the defaults of SessionSettings with other values, for single calls and for frames."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, file_sha256
from benchmarks.harness.subprocesses import pin_contender
from benchmarks.networks.latency import Timing, latency_figures
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import Contender, serve, time_interleaved
from fkd_infer.tuning.session_worker import session_contender

COMMAND = "settings"
DEFAULT = "the defaults"
AGAIN = "the defaults again"
"""Its difference from the first is chance."""


@dataclass(frozen=True)
class Variation:
    """The defaults with one of them changed."""

    name: str
    settings: SessionSettings
    opencv_threads: int | None = None


def variations(threads: int) -> list[Variation]:
    """The defaults twice, and each other value; OpenCV's threads matter for frames only."""
    base = SessionSettings(threads)
    result = [
        Variation(DEFAULT, base),
        Variation(AGAIN, base),
        Variation("spin", replace(base, spin=True)),
        Variation("level none", replace(base, level="none")),
        Variation("level basic", replace(base, level="basic")),
        Variation("level extended", replace(base, level="extended")),
        Variation("denormals_as_zero", replace(base, denormals_as_zero=True)),
        Variation("no arena", replace(base, arena=False)),
    ]
    if threads > 1:
        result += [
            Variation("1 thread", replace(base, threads=1)),
            Variation("OpenCV on 1 thread", base, opencv_threads=1),
            Variation("1 thread, OpenCV on 1 thread", replace(base, threads=1), opencv_threads=1),
        ]
    return result


def compare_settings(model: Path, timing: Timing, recorder: Recorder) -> None:
    """Times all variations on all cores of this process."""
    from benchmarks.programs.scenes import Scene

    threads = available_threads()
    single = [v for v in variations(threads) if v.opencv_threads is None]
    calls = [session_contender(v.name, model, v.settings) for v in single]
    _compare("single calls", model, calls, threads, timing, recorder)
    with TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.npy"
        scene = Scene(720, 1)
        np.save(frame, scene.frame(scene.photo(), 0))
        frames = [_frame_contender(v, model, frame) for v in variations(threads)]
        _compare("frames of 720p", model, frames, threads, timing, recorder)


def _compare(
    where: str,
    model: Path,
    contenders: list[Contender],
    threads: int,
    timing: Timing,
    recorder: Recorder,
) -> None:
    times = time_interleaved(
        [pin_contender(c, threads) for c in contenders], timing.blocks, timing.seconds
    )
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    for name, blocks in times.items():
        figures = latency_figures(blocks)
        relative = statistics.ratio_interval(medians[name], medians[DEFAULT])
        figures["of the defaults' time"] = Figure.from_interval(relative, "%", 100)
        conditions = {"where": where, "cores": str(threads)}
        recorder.add(
            Measurement(
                COMMAND,
                model.name,
                name,
                conditions,
                figures,
                file_sha256(model),
                tuple(medians[name].tolist()),
            )
        )


def _frame_contender(variation: Variation, model: Path, frame: Path) -> Contender:
    settings = json.dumps(asdict(variation.settings))
    opencv = "" if variation.opencv_threads is None else str(variation.opencv_threads)
    command = [sys.executable, "-m", __name__, str(model), str(frame), settings, opencv]
    return Contender(variation.name, command)


def main(model: str, frame: str, settings_json: str, opencv: str) -> None:
    """Serves calls that process a video frame from detection to points, as fkd-infer does."""
    import cv2

    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.detection.registry import FKD
    from fkd_infer.detection.tiling import Search
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.runtime.session import LandmarkSession

    if opencv:
        cv2.setNumThreads(int(opencv))
    settings = SessionSettings(**json.loads(settings_json))
    search = Search(FKD.search_sizes.videos)
    detector = FkdDetector(search=search, provider="cpu", settings=settings)
    pipeline = Pipeline(LandmarkSession(model, "cpu", settings), detector)
    image = np.load(frame)
    serve(lambda: pipeline(image))


if __name__ == "__main__":
    main(*sys.argv[1:])
