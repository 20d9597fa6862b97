"""One run at a time in a run folder."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fkd_infer.system.files.atomic import output_errors
from fkd_train.errors import RunError

LOCK_FILE = ".lock"
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""Error numbers of file systems that have no locks."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Locks a run folder for this process; the system releases the lock if the process dies.

    Processes that are forked, such as those of a data loader, do not share the lock. The lock file
    stays, and names the process that held it last. Raises RunError if another run holds the lock.
    """
    path = folder / LOCK_FILE
    lock = FileLock(
        path, timeout=0, thread_local=False, fallback_to_soft=False, on_acquired=_write_holder
    )
    with output_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            problem = f"{_read_holder(path)} trains into it"
            fix = "wait for it, or choose another --out"
            raise RunError(folder, problem, fix) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    try:
        yield
    finally:
        lock.release()


def _write_holder(file: int) -> None:
    os.ftruncate(file, 0)
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _read_holder(path: Path) -> str:
    try:
        return path.read_text("utf-8") or "another run"
    except (OSError, UnicodeDecodeError):  # Windows blocks reading a locked file
        return "another run"
