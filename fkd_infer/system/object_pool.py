"""Things that one thread at a time may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ObjectPool(Generic[T]):
    """As many as threads want at once, made where none is free.

    One is made at the start, so that what is wrong with it is told before any work.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free = [make()]

    @contextmanager
    def __call__(self) -> Iterator[T]:
        """One for the calling thread alone."""
        try:
            one = self._free.pop()
        except IndexError:
            one = self._make()
        try:
            yield one
        finally:
            self._free.append(one)
