"""Objects that are not safe to share between threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ObjectPool(Generic[T]):
    """A pool of objects, each used by one thread at a time; grows when none is free.

    The first object is created at once, so that errors show before any work.
    """

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._free = [create()]

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles a pool as a new one."""
        return type(self), (self._create,)

    @contextmanager
    def __call__(self) -> Iterator[T]:
        """Yields an object for the calling thread only."""
        try:
            item = self._free.pop()
        except IndexError:
            item = self._create()
        try:
            yield item
        finally:
            self._free.append(item)
