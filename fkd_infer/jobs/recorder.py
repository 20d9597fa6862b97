"""Records each source's frames, failures and completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fkd_infer.errors import FkdError, StoppedError
from fkd_infer.jobs.failures import Failure
from fkd_infer.jobs.journal import Journal
from fkd_infer.jobs.journal_lines import CompletedSource, FileStamp
from fkd_infer.jobs.summary import Summary
from fkd_infer.media.sources import Source
from fkd_infer.stores.address import Place
from fkd_infer.types import Face, Frame

FrameWriter = Callable[[Frame, Sequence[Face]], object]


class AbortRunError(Exception):
    """Carries an error after which no source can be processed past handlers of a source's own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class RunRecorder:
    """Passes frames on to `writers`, counts them, and notes what becomes of each source.

    Not thread-safe. `update` is called once per frame.
    """

    summary: Summary
    writers: Sequence[FrameWriter]
    update: Callable[[], object]
    journal: Journal | None

    def record(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Records a frame with its faces."""
        with _abort_on_error():
            if self.journal is not None:
                self.journal.add(frame, faces)
            self._write(frame, faces)
        self.summary.frames += 1
        self.summary.faces += len(faces)

    def note(self, source: Source, text: str) -> None:
        """Notes what the output of a source keeps in another form."""
        self.summary.notes.append(f"{source.name}: {text}")

    def replay(self, source: Source, completed: CompletedSource) -> None:
        """Records the frames of a source that an earlier run completed."""
        assert self.journal is not None
        with _abort_on_error():
            for frame, faces in self.journal.replay(source, completed):
                self._write(frame, faces)
        self.summary.reached.add(source.name)
        self.summary.suffixes[source.suffixes] += 1
        self.summary.skipped += 1

    def process(
        self,
        source: Source,
        picture: Place | None,
        process: Callable[[], bool],
        stamp: FileStamp | None = None,
    ) -> None:
        """Calls `process` for a source, and records the source as completed or failed.

        `process` returns whether it reached the end of the source. An error fails this source
        alone, unless it ends the run. `stamp` is that of the picture, where it is known already.
        """
        try:
            complete = process()
        except AbortRunError:
            raise
        except Exception as error:  # noqa: BLE001 (in the summary and in the list of failures)
            self.fail(source, error)
            has_picture = isinstance(error, StoppedError)
        else:
            has_picture = True
            self.summary.suffixes[source.suffixes] += 1
            if complete and self.journal is not None:
                with _abort_on_error():
                    self.journal.complete(source, stamp or FileStamp.of(picture))
        self.summary.reached.add(source.name)
        if has_picture and picture is not None:
            self.summary.add_picture(picture)

    def fail(self, source: Source, error: Exception) -> None:
        """Records that a source failed."""
        self.summary.reached.add(source.name)
        self.summary.failures.append(Failure.of(source.name, error))
        if self.journal is not None:
            self.journal.forget_frames()
        if isinstance(error, FkdError) and error.ends_run:
            raise AbortRunError(error)

    def _write(self, frame: Frame, faces: Sequence[Face]) -> None:
        for write in self.writers:
            write(frame, faces)
        self.update()


@contextmanager
def _abort_on_error() -> Iterator[None]:
    """Aborts the run after an error in what all sources share."""
    try:
        yield
    except Exception as error:
        raise AbortRunError(error) from error
