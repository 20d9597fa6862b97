"""Base of the record formats that can only be put together once all faces are known."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from fkd_infer.system.files.atomic import atomic_write, output_errors, removed_on_error
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Face, Frame


class SpooledSink(Scoped):
    """A file that is put together at the end from unnamed temporary files (spools) beside it.

    It appears when it is complete. After a failed write it never appears, even if later writes
    succeed.
    """

    def __init__(self, path: Path, spools: int) -> None:
        self._path = path
        self._spool_count = spools

    def _scope(self) -> Iterator[None]:
        with atomic_write(self._path) as self._partial, ExitStack() as stack:
            self._spools = [
                stack.enter_context(_spool(self._path)) for _ in range(self._spool_count)
            ]
            yield
            with output_errors(self._path):
                if self._partial.exists():  # else a write failed
                    for spool in self._spools:
                        spool.seek(0)
                    self._assemble(self._partial)

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends the faces of a frame to the spools."""
        with output_errors(self._path), removed_on_error(self._partial):
            self._spool_frame(frame, faces)

    @abstractmethod
    def _spool_frame(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Writes the faces of a frame to the spools."""

    @abstractmethod
    def _assemble(self, partial: Path) -> None:
        """Writes the file from the spools, which are at their beginning."""


@contextmanager
def _spool(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file on the disk of an output, since it may grow as large."""
    with output_errors(path):
        file = _temporary(path.parent)
    try:
        yield file
    finally:
        # Closing flushes the buffer, which fails again on a full disk.
        with output_errors(path):
            file.close()


def _temporary(folder: Path) -> BinaryIO:
    return tempfile.TemporaryFile(dir=folder)
