"""The work of fkd-infer: frames of every source through the pipeline, into pictures and records."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from fkd_infer.annotate import Annotator
from fkd_infer.errors import FkdError
from fkd_infer.finder import Finder
from fkd_infer.media import Source, frame_count, frames_from, open_sink
from fkd_infer.photos import Studio
from fkd_infer.records import CsvSink, JsonLinesSink
from fkd_infer.timing import Stopwatch
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
    workers: int = 1

    def lines(self) -> list[str]:
        """The summary for people: counts, speed, and each stage's time.

        Stages of several threads are longer in sum than the run, so there their shares are told.
        """
        rate = self.frames / self.seconds if self.seconds else 0.0
        ended = "stopped early: " if self.stopped else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}"
        parts = [f"{name} {1000 * s / max(1, self.frames):.1f}" for name, s in self.stages.items()]
        per_frame = "ms per frame"
        if self.workers > 1:
            whole = sum(self.stages.values()) or 1.0
            shares = [f"({100 * s / whole:.0f} %)" for s in self.stages.values()]
            parts = [f"{part} {share}" for part, share in zip(parts, shares, strict=True)]
            per_frame += f", those of {self.workers} workers added up"
        return [
            f"{ended}{counts} in {self.seconds:.1f} s, {rate:.1f} frames/s",
            f"{per_frame}: {', '.join(parts)}",
        ]


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out."""

    folder: Path | None = None
    json: Path | None = None
    csv: Path | None = None


def run(
    sources: Sequence[Source],
    find: Finder,
    annotator: Annotator,
    outputs: Outputs,
    quiet: bool = False,
    workers: int = 1,
) -> Summary:
    """Processes the sources, and goes on after one that fails: photos that follow each other in
    threads, so many at once, and moving pictures frame by frame. Records come in order.

    SIGINT or SIGTERM leaves whole files of what was done.
    """
    summary = Summary(stages=find.pipeline.stopwatch.seconds)
    started = time.perf_counter()
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_on_signal())
        bar = stack.enter_context(
            tqdm(total=_total(sources), unit="frames", leave=False, disable=True if quiet else None)
        )
        points = find.pipeline.card.landmarks.count
        desk = _Desk(
            summary,
            stack.enter_context(JsonLinesSink(outputs.json)),
            stack.enter_context(CsvSink(outputs.csv, points)),
            bar.update,
        )
        for kind, group in groupby(sources, key=lambda source: source.kind == "image"):
            if stopping():
                break
            if kind:
                studio = Studio(find, annotator, outputs.folder, stopping)
                _photos(studio, list(group), workers, desk)
            else:
                for source in group:
                    _moving(source, find, annotator, outputs.folder, stopping, desk)
        summary.stopped = stopping()
    summary.seconds = time.perf_counter() - started
    return summary


@dataclass(frozen=True)
class _Desk:
    """Where records are written and counted, in one thread."""

    summary: Summary
    json: JsonLinesSink
    csv: CsvSink
    update: Callable[[], object]

    def record(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes a frame."""
        self.json.write(frame, faces)
        self.csv.write(frame, faces)
        self.summary.frames += 1
        self.summary.faces += len(faces)
        self.update()

    @contextmanager
    def telling(self, picture: Path | None) -> Iterator[None]:
        """Keeps why a source fails, or else where its picture is.

        One bad file does not take the others' results with it; the end tells of all.
        """
        try:
            yield
        except FkdError as error:
            self.summary.failures.append(str(error))
        else:
            if picture is not None:
                self.summary.pictures.append(picture)


def _photos(studio: Studio, sources: Sequence[Source], workers: int, desk: _Desk) -> None:
    """Photos, several at once."""
    stopwatch = studio.find.pipeline.stopwatch
    desk.summary.workers = max(desk.summary.workers, min(workers, len(sources)))
    with closing(studio.photos(sources, workers)) as photos:
        for photo in photos:
            if photo.failure is not None:
                desk.summary.failures.append(photo.failure)
            elif photo.frame is not None:
                with (
                    desk.telling(studio.picture(photo.source)),
                    stopwatch.about([(photo.source.name, 0)]),
                    stopwatch("write"),
                ):
                    desk.record(photo.frame, photo.faces)


def _moving(
    source: Source,
    find: Finder,
    annotator: Annotator,
    folder: Path | None,
    stopping: Callable[[], bool],
    desk: _Desk,
) -> None:
    """A video or a camera, frame by frame."""
    stopwatch = find.pipeline.stopwatch
    picture = folder / source.output if folder else None
    with desk.telling(picture), open_sink(source, folder) as pictures:
        for frame in _timed(source, stopwatch):
            with stopwatch.about([(frame.source, frame.index)]):
                faces = find(frame, source.kind)
                with stopwatch("draw"):
                    drawn = annotator(frame, faces) if folder else frame
                with stopwatch("write"):
                    pictures.write(drawn)
                    desk.record(frame, faces)
            if stopping():
                break


def _timed(source: Source, stopwatch: Stopwatch) -> Iterator[Frame]:
    """The frames of a source, their reading counted as a stage."""
    frames = frames_from(source)
    for number in count():
        with stopwatch.about([(source.name, number)]), stopwatch("read"):
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
