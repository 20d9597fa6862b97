"""Work that threads share, with results in the order of what was given."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from fkd_infer.system.prefetch import join_or_abandon

T = TypeVar("T")
"""What is given: a source, or an image."""
U = TypeVar("U")
"""What a thread has begun."""
V = TypeVar("V")
"""What became of it, together with others."""
R = TypeVar("R")
"""A result."""

_PATIENCE = 1.0
"""Seconds after which an idle thread looks whether the program is ending without it."""


class ExclusiveLock:
    """What one thread may have at a time; it gives it back itself, and may do so without having it.

    A thread that has it must not wait for another before it gives it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def acquire(self) -> None:
        """Waits until no other thread has it; the one that has it may take it again."""
        if self._owner != threading.get_ident():
            while not self._lock.acquire(timeout=_PATIENCE):
                continue
            self._owner = threading.get_ident()

    def release(self) -> None:
        """Lets another thread have it."""
        if self._owner == threading.get_ident():
            self._owner = None
            self._lock.release()


@dataclass(frozen=True)
class WorkerPool(Generic[T, U, V, R]):
    """Threads that each take what comes next and `begin` it, do what several have in common
    `together`, and `end` each.

    A thread gathers what it has begun until that is `full`, or until there is nothing more to take
    at once. So no thread ever waits for another, and each holds no more than what fills it. What
    was given and has no result yet is together of no more than `room`, but for the last one.
    """

    begin: Callable[[T], U]
    full: Callable[[Sequence[U]], bool]
    together: Callable[[Sequence[U]], Sequence[V]]
    end: Callable[[V], R]
    size: Callable[[T], int]
    room: int
    workers: int
    released: Callable[[], None] = lambda: None
    """Called by a thread once it holds nothing that it has begun."""

    def __call__(self, items: Iterable[T]) -> Generator[R, None, None]:
        """A result for each item, in order; an error is raised where its result would have been.

        Items are taken in the calling thread. Once an error is raised, or the iterator closed,
        what is not ended is dropped, and every thread is over.
        """
        tasks: SimpleQueue[tuple[Future[R], T] | None] = SimpleQueue()
        waiting: deque[tuple[Future[R], int]] = deque()
        threads: list[threading.Thread] = []
        given, held = self._given(items, tasks), 0
        try:
            for number in range(1, self.workers + 1):
                name = f"worker {number}"
                thread = threading.Thread(target=self._work, args=(tasks,), name=name, daemon=True)
                thread.start()
                threads.append(thread)
            while True:
                while held < self.room or not waiting:
                    new = next(given, None)
                    if new is None:
                        break
                    waiting.append(new)
                    held += new[1]
                if not waiting:
                    return
                future, size = waiting.popleft()
                result = _result(future, threads)
                held -= size
                yield result
        finally:
            for future, _ in waiting:
                future.cancel()
            for _ in threads:
                tasks.put(None)
            for thread in threads:
                join_or_abandon(thread)

    def _given(
        self, items: Iterable[T], tasks: SimpleQueue[tuple[Future[R], T] | None]
    ) -> Iterator[tuple[Future[R], int]]:
        """Puts items among the tasks, as their futures and sizes are asked for."""
        try:
            for item in items:
                future: Future[R] = Future()
                size = self.size(item)
                tasks.put((future, item))
                yield future, size
        except Exception as error:  # noqa: BLE001 (raised when the results before it are out)
            future = Future()
            future.set_exception(error)
            yield future, 0

    def _work(self, tasks: SimpleQueue[tuple[Future[R], T] | None]) -> None:
        """What each thread does, until it takes None."""
        gathered: list[tuple[Future[R], U]] = []
        while True:
            try:
                task = tasks.get(timeout=0 if gathered else _PATIENCE)
            except Empty:
                if gathered:
                    self._end(gathered)
                    gathered = []
                    self.released()
                # A program that ends by an error may never close the iterator.
                if not threading.main_thread().is_alive():
                    return
                continue
            if task is None:
                return
            future, item = task
            del task
            if future.set_running_or_notify_cancel() and self._begin(future, item, gathered):
                self._end(gathered)
                gathered = []
                self.released()
            del item

    def _begin(self, future: Future[R], item: T, gathered: list[tuple[Future[R], U]]) -> bool:
        """Begins one; whether what is gathered is full with it."""
        full = False
        with _telling(future):
            begun = self.begin(item)
            full = self.full([*(other for _, other in gathered), begun])
            gathered.append((future, begun))
        return full

    def _end(self, gathered: Sequence[tuple[Future[R], U]]) -> None:
        """Ends what is gathered; where that fails, one by one, since one may be at fault."""
        pairs: list[tuple[tuple[Future[R], U], V]] = []
        try:
            pairs = list(zip(gathered, self.together([u for _, u in gathered]), strict=True))
        except BaseException as error:  # noqa: BLE001 (raised in the calling thread)
            if len(gathered) == 1:
                gathered[0][0].set_exception(error)
                return
            for one in gathered:
                self._end([one])
        for (future, _), result in pairs:
            with _telling(future):
                future.set_result(self.end(result))


def _result(future: Future[R], threads: Sequence[threading.Thread]) -> R:
    """A thread's result; raises RuntimeError where no thread is left that could have one."""
    while not wait([future], _PATIENCE).done:
        if not any(thread.is_alive() for thread in threads) and not future.done():
            raise RuntimeError("every worker is over, and a result is missing")
    return future.result()


@contextmanager
def _telling(future: Future[R]) -> Iterator[None]:
    """An error in the block is raised where the future's result is asked for."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 (raised in the calling thread)
        future.set_exception(error)
