"""Where a run takes down what becomes of its sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fkd_infer.errors import FkdError, StoppedError
from fkd_infer.failures import Failure
from fkd_infer.journal import Completed, Journal
from fkd_infer.media import Source
from fkd_infer.types import Face, Frame

PICTURES_NAMED = 10
"""Outputs that a summary names."""
Take = Callable[[Frame, Sequence[Face]], object]


@dataclass
class Summary:
    """What a run did. `pictures` are the first of those made, which are `pictured`; `reached` names
    the sources whose turn came; `kept` counts those that an earlier run had completed; `whole`
    says whether all were reached, `ended` is why not where an error ended the run, and `followed`
    what is to be told of following faces."""

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    pictured: int = 0
    reached: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    kept: int = 0
    whole: bool = False
    stopped: bool = False
    ended: FkdError | None = None
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
        lines = lines if self.frames else []
        if self.kept:
            was = "was" if self.kept == 1 else "were"
            lines.append(f"{counted(self.kept, 'source')} {was} complete from an earlier run")
        return [*lines, self.followed] if self.followed else lines


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it has to be."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class EndedError(Exception):
    """What no source can be done after. It carries an error past those who would go on, and never
    leaves the run."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Desk:
    """Where frames are taken down and counted, in one thread."""

    summary: Summary
    takes: Sequence[Take]
    update: Callable[[], object]
    journal: Journal | None

    def record(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes a frame that was done."""
        with _ending():
            if self.journal is not None:
                self.journal.take(frame, faces)
            self._take(frame, faces)
        self.summary.frames += 1
        self.summary.faces += len(faces)

    def repeat(self, source: Source, known: Completed) -> None:
        """Takes the frames of a source that an earlier run completed."""
        assert self.journal is not None
        with _ending():
            for frame, faces in self.journal.replay(source, known):
                self._take(frame, faces)
        self.summary.reached.add(source.name)
        self.summary.kept += 1

    def work_on(self, source: Source, picture: Path | None, process: Callable[[], bool]) -> None:
        """Does a source, and keeps why it fails, or else where its picture is.

        `process` says whether it came to the end. One bad file does not take the others' results
        with it; the end tells of all.
        """
        try:
            whole = process()
        except EndedError:
            raise
        except Exception as error:  # noqa: BLE001 (told at the end, and in the list of failures)
            self.fail(source, error)
            kept = isinstance(error, StoppedError)
        else:
            kept = True
            if whole and self.journal is not None:
                with _ending():
                    self.journal.done(source, picture)
        self.summary.reached.add(source.name)
        if kept and picture is not None:
            self.summary.pictured += 1
            if len(self.summary.pictures) < PICTURES_NAMED:
                self.summary.pictures.append(picture)

    def fail(self, source: Source, error: Exception) -> None:
        """Takes down why a source failed."""
        self.summary.reached.add(source.name)
        self.summary.failures.append(Failure.of(source.name, error))
        if self.journal is not None:
            self.journal.forget_frames()
        if isinstance(error, FkdError) and error.ends_run:
            raise EndedError(error)

    def _take(self, frame: Frame, faces: Sequence[Face]) -> None:
        for take in self.takes:
            take(frame, faces)
        self.update()


@contextmanager
def _ending() -> Iterator[None]:
    """Ends the run where what is for all sources fails in the block."""
    try:
        yield
    except Exception as error:
        raise EndedError(error) from error
