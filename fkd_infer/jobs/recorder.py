"""Where a run takes down what becomes of its sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import FkdError, StoppedError
from fkd_infer.jobs.failures import Failure
from fkd_infer.jobs.journal import Completed, Journal
from fkd_infer.jobs.summary import PICTURES_NAMED, Summary
from fkd_infer.media.sources import Source
from fkd_infer.types import Face, Frame

Take = Callable[[Frame, Sequence[Face]], object]


class EndedError(Exception):
    """What no source can be done after. It carries an error past those who would go on, and never
    leaves the run."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class RunRecorder:
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
