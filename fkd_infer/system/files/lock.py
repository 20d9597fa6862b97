"""Locks of open files that the system lets go of where their process dies, however it dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NAP = 0.02
"""Seconds between two looks at a lock that is held."""


def try_lock(file: int) -> bool:
    """Locks an open file for its descriptor; False where another descriptor holds it.

    Where the system or the file system knows no such locks, nobody else is taken to hold one.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def lock(file: int, patience: float = 30.0) -> None:
    """Locks an open file; waits so many seconds for another holder, and then goes on without."""
    until = time.monotonic() + patience
    while not try_lock(file) and time.monotonic() < until:
        time.sleep(_NAP)


def lock_new(path: Path, mode: int = 0o666) -> int | None:
    """Opens and locks a file that only its holder may touch; None where another one holds it.

    What a dead process left there is taken over, content and all. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        file = os.open(path, flags, mode)
        if not try_lock(file):
            os.close(file)
            return None
        if is_at(file, path):
            return file
        os.close(file)  # its holder renamed or removed it before it let go


def is_at(file: int, path: Path) -> bool:
    """Whether an open file is the one of that name."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file))
