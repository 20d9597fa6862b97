"""Reads regular files only: no pipe that blocks, and no device without an end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_OTHER_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_DEFAULT_BYTES = 1 << 20
"""The limit for files that state no size, such as those in /proc."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; raises OSError at once if it is not a regular file."""
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_mode(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: Path) -> None:
    """Raises OSError unless a path leads to a regular file; for readers that open it themselves."""
    _check_mode(path.stat().st_mode)


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Reads a file; raises OSError if it is longer than `max_bytes` or not a regular file."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # read() allocates what it is asked for, so this is the stated size if there is one. Files
        # without a size may have no end.
        limit = min(max_bytes, size or _DEFAULT_BYTES)
        content = file.read(limit + 1) if size <= max_bytes else b""
    if size > max_bytes or len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {max(1, limit // 10**6)} MB, or growing")
    return content


def file_sha256(path: Path) -> str:
    """Returns a file's sha256 in hexadecimal."""
    import hashlib  # here, so that --help does not wait for it

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_mode(mode: int) -> None:
    for is_type, name in _OTHER_TYPES:
        if is_type(mode):
            raise OSError(errno.EINVAL, f"it is {name}, not a file")
