"""Reading what is a file and nothing else: no pipe that blocks, no device without an end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_UNSTATED = 1 << 20
"""Bytes that are read of a file that states no size."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; raises OSError at once where it is anything but a file."""
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        _check(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(path: Path) -> None:
    """Raises OSError where a path leads to anything but a file; for readers that open it anew."""
    _check(path.stat().st_mode)


def read_regular(path: Path, most: int) -> bytes:
    """A file's content of at most so many bytes; raises OSError where it is longer or no file."""
    with open_regular(path) as file:
        stated = os.fstat(file.fileno()).st_size
        # Memory is taken for what is asked for, so it is no more than there is. Files of the system
        # state no size, and may have no end.
        room = min(most, stated or _UNSTATED)
        content = file.read(room + 1) if stated <= most else b""
    if stated > most or len(content) > room:
        raise OSError(errno.EFBIG, f"it is larger than {max(1, room // 10**6)} MB, or grows")
    return content


def _check(mode: int) -> None:
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise OSError(errno.EINVAL, f"it is {name}, not a file")


def file_sha256(path: Path) -> str:
    """A file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
