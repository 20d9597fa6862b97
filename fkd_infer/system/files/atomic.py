"""Output files that appear complete or not at all, even if several processes write them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fkd_infer.errors import FkdError, OutputError
from fkd_infer.system.files.lock import is_open_at, open_locked

_MAX_NAME_BYTES = 200
"""Longer names are hashed in temporary names: file systems allow 255 bytes."""


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
    """Removes a temporary file if the block fails to write a part of it.

    So a file with a gap never appears, even if later parts are written.
    """
    try:
        yield
    except OSError:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary file beside `path`, which is synced and renamed to `path` at the end.

    After an exception the temporary file is removed. If the block removes it, `path` stays as it
    was. No other process uses the same temporary file at the same time; one that a killed process
    left is reused. Raises OutputError, also if `path` is a device or a pipe, which must not be
    replaced.
    """
    with output_errors(path):
        if path.exists() and not (path.is_file() or path.is_dir()):
            fix = "use - for standard output, if the option allows it"
            raise OutputError(path, "it is not a file", fix)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial, lock = _open_partial(path)
    try:
        yield partial
        with output_errors(path):
            if _is_own(partial, lock):
                _sync(partial)
                partial.replace(path)
    finally:
        if _is_own(partial, lock):
            partial.unlink()
        if lock is not None:
            os.close(lock)


def _open_partial(path: Path) -> tuple[Path, int | None]:
    """Creates an empty temporary file; returns it with the descriptor that holds its lock."""
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
            if sys.platform == "win32":  # which cannot rename an open file
                os.close(lock)
                return partial, None
            return partial, lock
    raise AssertionError("count() never ends")


def _is_own(partial: Path, lock: int | None) -> bool:
    """Whether the temporary file exists and is still the one that was locked."""
    return partial.exists() if lock is None else is_open_at(lock, partial)


def _sync(file: Path) -> None:
    """Writes a file to disk, so that after a power cut its name never leads to a part of it."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _partial_name(name: str, number: int) -> str:
    """Returns the same names in every run, so that a later run reuses files that were left."""
    encoded = os.fsencode(name)
    if len(encoded) > _MAX_NAME_BYTES:
        import hashlib  # here, so that --help does not wait for it

        name = hashlib.sha256(encoded).hexdigest()
    if sys.platform == "win32":  # without locks, names keep processes apart
        name = f"{name}.{os.getpid()}"
    return f".{name}.{number}.part" if number else f".{name}.part"
