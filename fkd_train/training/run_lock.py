"""One run at a time in a run folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.lock import lock_new
from fkd_train.errors import RunError

LOCK_FILE = ".lock"

_held: set[int] = set()


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; the system lets go of it where the process dies.

    The file stays, and says who had it last. Raises RunError where another run has the folder.
    """
    path = folder / LOCK_FILE
    with output_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_new(path)
    if lock is None:
        raise RunError(
            folder, f"{_holder(path)} trains into it", "wait for it, or choose another --out"
        )
    _held.add(lock)
    try:
        with output_errors(path):
            os.ftruncate(lock, 0)
            os.write(lock, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        _held.remove(lock)
        os.close(lock)


def _holder(path: Path) -> str:
    try:
        return path.read_text() or "another run"
    except (OSError, UnicodeDecodeError):  # the name is a help, and the answer is right without
        return "another run"


def _let_go_in_child() -> None:
    """A loader's worker inherits the lock, and lives on for seconds after its parent is killed."""
    for lock in _held:
        os.close(lock)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
