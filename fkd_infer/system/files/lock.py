"""Locks on open files, which the system releases when their process ends, however it ends.

`filelock.FileLock` locks a file that exists only for locking, and leaves it behind. Here the locked
file is the output itself, or a folder, so that runs leave nothing else in users' folders.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_POLL_S = 0.02


def try_lock(file: int) -> bool:
    """Locks an open file; returns False if another descriptor holds the lock.

    Returns True without a lock on file systems that have none.
    """
    from filelock import lock_descriptor  # slow to import, and not needed for --help

    try:
        return lock_descriptor(file, blocking=False)
    except OSError:
        return True


def wait_for_lock(file: int, timeout_s: float = 30.0) -> None:
    """Locks an open file; goes on without the lock if it is not released in time."""
    until = time.monotonic() + timeout_s
    while not try_lock(file) and time.monotonic() < until:
        time.sleep(_POLL_S)


def open_locked(path: Path) -> int | None:
    """Opens a file for reading and writing, and locks it; returns None if another holder has it.

    A file that a dead process left is opened as it is. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        file = os.open(path, flags, 0o666)
        if not try_lock(file):
            os.close(file)
            return None
        if is_open_at(file, path):
            return file
        os.close(file)  # the last holder renamed or removed it before it released the lock


def is_open_at(file: int, path: Path) -> bool:
    """Whether a path still leads to an open file, which may have been renamed or removed."""
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, os.fstat(file))
