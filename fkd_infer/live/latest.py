"""Hands the newest value from one thread to another, and drops those that come too fast."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_CHECK_S = 1.0
"""Seconds between checks whether more values can come."""


class Latest(Generic[T]):
    """A queue of one value, in which a new value replaces the one that nobody took."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._closed = False
        self.dropped = 0

    def put(self, value: T) -> None:
        """Stores a value; counts the value that it replaces as dropped."""
        with self._changed:
            self.dropped += self._value is not None
            self._value = value
            self._changed.notify()

    def get(self, more: Callable[[], bool]) -> T | None:
        """Waits for a value and removes it.

        Returns None once it is closed and empty, or once `more`, called every second, says that no
        value will come.
        """
        with self._changed:
            while self._value is None and not self._closed and more():
                self._changed.wait(_CHECK_S)
            value, self._value = self._value, None
            return value

    def close(self) -> None:
        """Ends every `get` that waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
