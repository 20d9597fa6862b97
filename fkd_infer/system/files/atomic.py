"""Output files that appear whole or not at all, also where several processes write them."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fkd_infer.errors import FkdError, OutputError
from fkd_infer.system.files.lock import is_open_at, open_locked

STDOUT = Path("-")
"""The name of a file that stands for standard output."""
_LONGEST = 200
"""Bytes of a name that a temporary one repeats: file systems take 255."""


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of the block, such as a full disk, into an OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FkdError):
            raise
        raise OutputError(path, error.strerror or str(error)) from error


@contextmanager
def removed_on_error(partial: Path) -> Iterator[None]:
    """Removes a temporary file where the block fails to write a part of it: so a file with a gap
    never appears, even if the next part fits again."""
    try:
        yield
    except OSError:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`; at the end it is brought to the disk and takes its place.

    After an exception it is removed, and a block that removed it leaves what was there. Nobody else
    has the same temporary file at a time; one that a killed process left behind is used again.
    Raises OutputError, also where `path` is a device or a pipe, which must not be replaced.
    """
    with output_errors(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise OutputError(path, "it is no file", "- is standard output, where it can be given")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial, lock = _claimed(path)
    try:
        yield partial
        with output_errors(path):
            if _is_ours(partial, lock):
                _sync(partial)
                partial.replace(path)
    finally:
        if _is_ours(partial, lock):
            partial.unlink()
        if lock is not None:
            os.close(lock)


def _claimed(path: Path) -> tuple[Path, int | None]:
    """An empty temporary file that nobody else has, and the open file that locks it."""
    for number in count():
        partial = path.with_name(_partial_name(path.name, number))
        try:
            lock = open_locked(partial)
        except PermissionError:
            if not partial.exists():
                raise
            continue  # another user left it
        if lock is not None:
            os.ftruncate(lock, 0)
            if sys.platform == "win32":  # where no open file is renamed
                os.close(lock)
                return partial, None
            return partial, lock
    raise AssertionError("count() never ends")


def _is_ours(partial: Path, lock: int | None) -> bool:
    """Whether the temporary file is there, and is not that of another one by now."""
    return partial.exists() if lock is None else is_open_at(lock, partial)


def _sync(file: Path) -> None:
    """Brings a file to the disk: a name must never lead to what a power cut left of its file."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _partial_name(name: str, number: int) -> str:
    """The first ones are named so that a later run finds and replaces them."""
    bare = os.fsencode(name)
    if len(bare) > _LONGEST:
        name = hashlib.sha256(bare).hexdigest()
    if sys.platform == "win32":  # without locks, names keep processes apart
        name = f"{name}.{os.getpid()}"
    return f".{name}.{number}.part" if number else f".{name}.part"
