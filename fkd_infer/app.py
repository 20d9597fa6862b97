"""The work of fkd-infer: frames of every source through the pipeline, into pictures and records."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from fkd_infer.errors import FkdError, StoppedError
from fkd_infer.finder import Finder
from fkd_infer.look import Look
from fkd_infer.media import Source, frame_count
from fkd_infer.moving import Reel
from fkd_infer.names import Extra
from fkd_infer.photos import Studio
from fkd_infer.recording import open_records
from fkd_infer.sheet import ContactSheet
from fkd_infer.types import Face, Frame
from fkd_infer.video import Cut
from fkd_infer.videosink import Encoding
from fkd_infer.window import Window

Take = Callable[[Frame, Sequence[Face]], object]


@dataclass
class Summary:
    """What a run did; `followed` is what is to be told of following faces."""

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopped: bool = False
    followed: str = ""

    def lines(self) -> list[str]:
        """The summary for people: counts, speed, and each stage's time.

        Stages of several threads are longer in sum than the run, so there their shares are told.
        """
        rate = self.frames / self.seconds if self.seconds else 0.0
        ended = "stopped early: " if self.stopped else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.faces, 'face')}"
        parts = [f"{name} {1000 * s / max(1, self.frames):.1f}" for name, s in self.stages.items()]
        per_frame = "ms per frame"
        whole = sum(self.stages.values())
        if whole > self.seconds:
            shares = [f"({100 * s / whole:.0f} %)" for s in self.stages.values()]
            parts = [f"{part} {share}" for part, share in zip(parts, shares, strict=True)]
            per_frame += ", those of all threads added up"
        lines = [
            f"{ended}{counts} in {self.seconds:.1f} s, {rate:.1f} frames/s",
            f"{per_frame}: {', '.join(parts)}",
        ]
        return [*lines, self.followed] if self.followed else lines


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out. `extras` are what else records say of faces; `show`
    shows frames in a window as they are done."""

    folder: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    coco: Path | None = None
    npz: Path | None = None
    sheet: Path | None = None
    extras: frozenset[Extra] = frozenset()
    show: bool = False

    @property
    def files(self) -> list[Path]:
        """Those that are one file for all sources."""
        files = (self.json, self.csv, self.coco, self.npz, self.sheet)
        return [path for path in files if path is not None]

    @property
    def drawn(self) -> bool:
        """Whether anybody but a file of each source sees what is drawn."""
        return self.show or self.sheet is not None

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return self.folder is not None or self.drawn or bool(self.files)


@dataclass(frozen=True)
class Work:
    """What is done with sources: faces are found and drawn on, photos by so many workers; of what
    moves, the frames of a cut, written in an encoding. `offline` looks ahead to smooth."""

    find: Finder
    look: Look
    outputs: Outputs
    cut: Cut = field(default_factory=Cut)
    encoding: Encoding = field(default_factory=Encoding)
    offline: bool = False
    workers: int = 1


def run(sources: Sequence[Source], work: Work, quiet: bool = False) -> Summary:
    """Processes the sources, and goes on after one that fails: photos that follow each other in
    threads, so many at once, and moving pictures one by one. Records come in order.

    SIGINT or SIGTERM leaves whole files of what was done.
    """
    summary = Summary(stages=work.find.pipeline.stopwatch.seconds)
    started = time.perf_counter()
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_on_signal())
        total = _total(sources, work.cut)
        bar = stack.enter_context(
            tqdm(total=total, unit="frames", leave=False, disable=True if quiet else None)
        )
        window = stack.enter_context(Window("fkd")) if work.outputs.show else None
        takes = _takes(work, stack)
        if window is not None:
            takes.append(lambda frame, _: window.write(frame))
        desk = _Desk(summary, takes, bar.update)

        def enough() -> bool:
            return stopping() or (window is not None and window.closed)

        for kind, group in groupby(sources, key=lambda source: source.kind == "image"):
            if enough():
                break
            process = _photos if kind else _moving
            process(list(group), work, desk, enough)
        summary.stopped = stopping()
    summary.followed = work.find.told
    summary.seconds = time.perf_counter() - started
    return summary


def _takes(work: Work, stack: ExitStack) -> list[Take]:
    """What takes the frames and their faces into files for all sources."""
    outputs, scheme = work.outputs, work.find.pipeline.card.landmarks
    records = open_records(
        outputs.json, outputs.csv, outputs.coco, outputs.npz, scheme, outputs.extras
    )
    takes: list[Take] = [stack.enter_context(sink).write for sink in records]
    if outputs.sheet is not None:
        takes.append(stack.enter_context(ContactSheet(outputs.sheet)).write)
    return takes


@dataclass(frozen=True)
class _Desk:
    """Where frames are taken down and counted, in one thread."""

    summary: Summary
    takes: Sequence[Take]
    update: Callable[[], object]

    def record(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes a frame."""
        for take in self.takes:
            take(frame, faces)
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
            kept = isinstance(error, StoppedError)
        else:
            kept = True
        if kept and picture is not None:
            self.summary.pictures.append(picture)


def _photos(
    sources: Sequence[Source], work: Work, desk: _Desk, stopping: Callable[[], bool]
) -> None:
    """Photos, several at once."""
    stopwatch, outputs = work.find.pipeline.stopwatch, work.outputs
    studio = Studio(work.find, work.look, outputs.folder, outputs.drawn, stopping)
    with closing(studio.photos(sources, work.workers)) as photos:
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
    sources: Sequence[Source], work: Work, desk: _Desk, stopping: Callable[[], bool]
) -> None:
    """Videos and cameras, one after the other."""
    outputs = work.outputs
    drawn = outputs.drawn or outputs.folder is not None
    reel = Reel(
        work.find,
        work.look,
        outputs.folder,
        drawn,
        work.cut,
        work.encoding,
        work.offline,
        stopping,
    )
    for source in sources:
        if stopping():
            return
        with desk.telling(reel.picture(source)):
            reel(source, desk.record)


def _total(sources: Sequence[Source], cut: Cut) -> int | None:
    """Frames of all sources; None where one does not say how many it has."""
    total = 0
    for source in sources:
        try:
            count = frame_count(source, cut)
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
