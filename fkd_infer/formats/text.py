"""Base of the record formats that are text, written line by line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from fkd_infer.choices import STDOUT, Extra
from fkd_infer.errors import OutputError
from fkd_infer.landmarks.attributes import sorted_extras
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.system.files.atomic import atomic_write, output_errors, removed_on_error
from fkd_infer.system.scoped import Scoped


class TextSink(Scoped):
    """A UTF-8 text file that appears when it is complete; - is standard output.

    After a failed write the file never appears, even if later writes succeed.
    """

    def __init__(
        self,
        path: str | Path,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
    ) -> None:
        self._path = Path(path)
        self._scheme = scheme
        self._extras = sorted_extras(extras)

    def _scope(self) -> Iterator[None]:
        output = nullcontext(_print) if self._path == STDOUT else _text_file(self._path)
        with output as self._append:
            self._write_header()
            yield

    def _write_header(self) -> None:
        """Writes what precedes the records."""


@contextmanager
def _text_file(path: Path) -> Iterator[Callable[[str], None]]:
    """Yields a function that appends text to a file, which appears at the end of the block."""
    with atomic_write(path) as partial:
        with output_errors(path):
            file = _open_text(partial)

        def append(text: str) -> None:
            with output_errors(path), removed_on_error(partial):
                file.write(text)

        try:
            yield append
        finally:
            with output_errors(path):
                file.close()


def _open_text(path: Path) -> TextIO:
    """Opens UTF-8 with plain line ends; file names that are no text are written byte for byte."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def _print(text: str) -> None:
    """Prints the bytes that a file would get, unbuffered: another program may be reading along."""
    if not isinstance(sys.stdout, TextIOWrapper):  # in a notebook
        print(text, end="", flush=True)
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has seen enough, and the command ends
        raise
    except OSError as error:
        raise OutputError("standard output", error.strerror or str(error)) from error
