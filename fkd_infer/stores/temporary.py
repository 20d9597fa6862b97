"""Temporary files of this process, in a folder that is removed at its end.

What a killed process left is removed by the next one: nobody holds the lock of its folder then.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from fkd_infer.system.files.lock import open_locked

_PREFIX = "fkd-copies-"
_LOCK = ".lock"
_MIN_AGE_S = 60.0
"""A younger folder may be of a process that is about to lock it."""
_first = threading.Lock()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yields an empty folder, which is removed with its files at the end of the block."""
    folder = new_folder()
    try:
        yield folder
    finally:
        remove_folder(folder)


def new_folder() -> Path:
    """An empty folder, which is removed with its files when the process ends."""
    with _first:
        folder = _own_folder(os.getpid())
    return Path(tempfile.mkdtemp(dir=folder))


def remove_folder(folder: Path) -> None:
    """Removes a folder and its files."""
    shutil.rmtree(folder, ignore_errors=True)


@cache
def _own_folder(_process: int) -> Path:
    """The folder of this process; a fork gets another one."""
    _remove_left(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = open_locked(folder / _LOCK)  # held until the process ends, however it ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if sys.platform == "win32" and lock is not None:  # which cannot remove an open file
        atexit.register(os.close, lock)  # called before what was registered earlier
    return folder


def _remove_left(parent: Path) -> None:
    """Removes the folders of processes that have ended."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if time.time() - (folder / _LOCK).stat().st_mtime < _MIN_AGE_S:
                continue
            lock = open_locked(folder / _LOCK)
        except OSError:  # another user's, or being made or removed
            continue
        if lock is not None:
            if sys.platform == "win32":
                os.close(lock)
                remove_folder(folder)
            else:
                remove_folder(folder)
                os.close(lock)
