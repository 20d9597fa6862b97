"""Outputs that can only be put together at the end, of what was kept in files until then."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from fkd_infer.errors import OutputError
from fkd_infer.system.files.atomic import atomic_write, output_errors, removed_on_error
from fkd_infer.types import Face, Frame

_STDOUT = Path("-")


class SpoolingSink(ABC):
    """A file of faces that appears when it is complete, made of unnamed temporary files beside it.

    Where a part could not be written it does not appear, whatever is written after that. Raises
    OutputError for standard output.
    """

    def __init__(self, path: Path, spools: int) -> None:
        if path == _STDOUT:
            raise OutputError(path, "this format is made at the end", "give the name of a file")
        self._path = path
        self._count = spools
        self._spools: list[BinaryIO] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._partial = stack.enter_context(atomic_write(self._path))
            self._spools = [self._open(stack) for _ in range(self._count)]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack, output_errors(self._path):
            if not self._partial.exists():
                return  # a part of it could not be written
            for spool in self._spools:
                spool.seek(0)
            self._finish(self._partial)

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes a frame's faces."""
        with output_errors(self._path), removed_on_error(self._partial):
            self._take(frame, faces)

    def _open(self, stack: ExitStack) -> BinaryIO:
        """A spool that is gone with the stack."""
        with output_errors(self._path):
            spool = _temporary(self._path.parent)
        stack.callback(self._close, spool)
        return spool

    def _close(self, spool: BinaryIO) -> None:
        # What a full disk kept in the buffer fails once more here.
        with output_errors(self._path):
            spool.close()

    @abstractmethod
    def _take(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Writes to the spools."""

    @abstractmethod
    def _finish(self, partial: Path) -> None:
        """Makes the file of the spools, which stand at their beginning."""


def _temporary(folder: Path) -> BinaryIO:
    """On the output's own disk, since it may grow as large."""
    return tempfile.TemporaryFile(dir=folder)
