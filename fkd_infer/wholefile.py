"""Output files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fkd_infer.errors import FkdError, OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError of the block, such as a full disk, into an OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FkdError):
            raise
        raise OutputError(path, error.strerror or str(error)) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what the block wrote there takes its place at the end.

    After an exception it is removed, and a block that wrote nothing leaves nothing.
    """
    partial = path.with_name(f".{path.name}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with writing(path):
            if partial.exists():
                partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
