"""The work of fkd-infer: frames of every source through the pipeline, into pictures and records."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from fkd_infer.annotate import Annotator
from fkd_infer.boxes import BoxesFile
from fkd_infer.crop import POINTS_BOX, BoxRule
from fkd_infer.detect import Detector
from fkd_infer.errors import FkdError
from fkd_infer.media import FrameSink, Kind, Source, frame_count, frames_from, open_sink
from fkd_infer.pipeline import Pipeline
from fkd_infer.records import CsvSink, JsonLinesSink
from fkd_infer.types import Face, Frame


@dataclass
class Summary:
    """What a run did."""

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopped: bool = False

    def lines(self) -> list[str]:
        """The summary for people: counts, speed, and each stage's share of the time."""
        rate = self.frames / self.seconds if self.seconds else 0.0
        ended = "stopped early: " if self.stopped else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}"
        parts = [f"{name} {1000 * s / max(1, self.frames):.1f}" for name, s in self.stages.items()]
        return [
            f"{ended}{counts} in {self.seconds:.1f} s, {rate:.1f} frames/s",
            f"ms per frame: {', '.join(parts)}",
        ]


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out."""

    folder: Path | None = None
    json: Path | None = None
    csv: Path | None = None


@dataclass(frozen=True)
class Finder:
    """Finds the faces of frames: with one detector on photos and another on moving pictures, or
    at boxes from a file, which are drawn as `boxes_rule` says."""

    pipeline: Pipeline
    moving: Detector
    boxes: BoxesFile | None = None
    boxes_rule: BoxRule = POINTS_BOX

    def __call__(self, frame: Frame, kind: Kind) -> list[Face]:
        """All faces of one frame."""
        if self.boxes is not None:
            return self.pipeline.place(frame.image, self.boxes.find(frame), self.boxes_rule)
        detector = self.pipeline.detector if kind == "image" else self.moving
        return self.pipeline.find(frame.image, detector)


def run(
    sources: Sequence[Source],
    find: Finder,
    annotator: Annotator,
    outputs: Outputs,
    quiet: bool = False,
) -> Summary:
    """Processes the sources in turn, and goes on after one that fails.

    SIGINT or SIGTERM leaves whole files of what was done.
    """
    pipeline = find.pipeline
    summary = Summary(stages=pipeline.stopwatch.seconds)
    started = time.perf_counter()
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_on_signal())
        bar = stack.enter_context(
            tqdm(total=_total(sources), unit="frames", leave=False, disable=True if quiet else None)
        )
        json = stack.enter_context(JsonLinesSink(outputs.json))
        csv = stack.enter_context(CsvSink(outputs.csv, pipeline.card.landmarks.count))

        def handle(frame: Frame, kind: Kind, pictures: FrameSink) -> None:
            faces = find(frame, kind)
            with pipeline.stopwatch("draw"):
                drawn = annotator(frame, faces) if outputs.folder else frame
            with pipeline.stopwatch("write"):
                pictures.write(drawn)
                json.write(frame, faces)
                csv.write(frame, faces)
            summary.frames += 1
            summary.faces += len(faces)
            bar.update()

        for source in sources:
            if stopping():
                break
            try:
                with open_sink(source, outputs.folder) as pictures:
                    for frame in _timed(frames_from(source), pipeline):
                        handle(frame, source.kind, pictures)
                        if stopping():
                            break
            except FkdError as error:
                # One bad file does not take the others' results with it; the end tells of all.
                summary.failures.append(str(error))
                continue
            if outputs.folder:
                summary.pictures.append(outputs.folder / source.output)
        summary.stopped = stopping()
    summary.seconds = time.perf_counter() - started
    return summary


def _timed(frames: Iterator[Frame], pipeline: Pipeline) -> Iterator[Frame]:
    """The same frames, their reading counted as a stage."""
    while True:
        with pipeline.stopwatch("read"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _total(sources: Sequence[Source]) -> int | None:
    """Frames of all sources; None where one does not say how many it has."""
    total = 0
    for source in sources:
        try:
            count = frame_count(source)
        except FkdError:
            count = 0  # told when its turn comes
        if count is None:
            return None
        total += count
    return total


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it has to be."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came; a second one ends the program at once."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
