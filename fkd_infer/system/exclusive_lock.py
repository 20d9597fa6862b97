"""A lock that only its owner can release."""

from __future__ import annotations

import threading

_POLL_S = 1.0


class ExclusiveLock:
    """A lock for one thread at a time. Acquiring it twice, or releasing it unowned, does nothing.

    To avoid deadlocks, an owner must not wait for other threads before it releases the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def acquire(self) -> None:
        """Waits until no other thread owns the lock, and owns it."""
        if self._owner != threading.get_ident():
            while not self._lock.acquire(timeout=_POLL_S):
                continue
            self._owner = threading.get_ident()

    def release(self) -> None:
        """Lets another thread own the lock."""
        if self._owner == threading.get_ident():
            self._owner = None
            self._lock.release()
