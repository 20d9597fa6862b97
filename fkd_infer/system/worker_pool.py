"""Threads that process items in batches, with results in the order of the items."""

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

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
"""An item after `prepare`."""
Processed = TypeVar("Processed")
"""An item after `process_batch`."""
Result = TypeVar("Result")
"""An item after `finish`."""

_POLL_S = 1.0
"""How often an idle thread checks that the main thread is alive."""


@dataclass(frozen=True)
class WorkerPool(Generic[Item, Prepared, Processed, Result]):
    """A pool of threads that prepare items one by one, process a batch, and finish one by one.

    A thread collects prepared items until `is_full`, or until no item is waiting, and then
    processes them. So threads never wait for each other. The `size` of all items without a result
    adds up to at most `capacity`, apart from the last item.
    """

    prepare: Callable[[Item], Prepared]
    is_full: Callable[[Sequence[Prepared]], bool]
    process_batch: Callable[[Sequence[Prepared]], Sequence[Processed]]
    finish: Callable[[Processed], Result]
    size: Callable[[Item], int]
    capacity: int
    workers: int
    on_batch_done: Callable[[], None] = lambda: None
    """Called by a thread when it holds no prepared item any more."""

    def __call__(self, items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yields a result per item, in order; raises an item's error in place of its result.

        Items are read in the calling thread. After an error, or when the generator is closed,
        unfinished items are dropped and all threads end.
        """
        tasks: SimpleQueue[tuple[Future[Result], Item] | None] = SimpleQueue()
        waiting: deque[tuple[Future[Result], int]] = deque()
        threads: list[threading.Thread] = []
        submitted, total = self._submit(items, tasks), 0
        try:
            for number in range(1, self.workers + 1):
                name = f"worker {number}"
                thread = threading.Thread(target=self._work, args=(tasks,), name=name, daemon=True)
                thread.start()
                threads.append(thread)
            while True:
                while total < self.capacity or not waiting:
                    task = next(submitted, None)
                    if task is None:
                        break
                    waiting.append(task)
                    total += task[1]
                if not waiting:
                    return
                future, size = waiting.popleft()
                result = _wait_for(future, threads)
                total -= size
                yield result
        finally:
            for future, _ in waiting:
                future.cancel()
            for _ in threads:
                tasks.put(None)
            for thread in threads:
                join_or_abandon(thread)

    def _submit(
        self, items: Iterable[Item], tasks: SimpleQueue[tuple[Future[Result], Item] | None]
    ) -> Iterator[tuple[Future[Result], int]]:
        """Puts items into the queue, and yields their futures and sizes."""
        try:
            for item in items:
                future: Future[Result] = Future()
                size = self.size(item)
                tasks.put((future, item))
                yield future, size
        except Exception as error:  # noqa: BLE001 (raised after the results before it)
            future = Future()
            future.set_exception(error)
            yield future, 0

    def _work(self, tasks: SimpleQueue[tuple[Future[Result], Item] | None]) -> None:
        """Processes tasks until one is None; runs in each thread."""
        batch: list[tuple[Future[Result], Prepared]] = []
        while True:
            try:
                task = tasks.get(timeout=0 if batch else _POLL_S)
            except Empty:
                if batch:
                    self._finish(batch)
                    batch = []
                    self.on_batch_done()
                # A program that ends by an error may never close the generator.
                if not threading.main_thread().is_alive():
                    return
                continue
            if task is None:
                return
            future, item = task
            del task
            if future.set_running_or_notify_cancel() and self._prepare(future, item, batch):
                self._finish(batch)
                batch = []
                self.on_batch_done()
            del item

    def _prepare(
        self, future: Future[Result], item: Item, batch: list[tuple[Future[Result], Prepared]]
    ) -> bool:
        """Adds a prepared item to the batch; returns whether the batch is full."""
        full = False
        with _errors_to(future):
            prepared = self.prepare(item)
            full = self.is_full([*(other for _, other in batch), prepared])
            batch.append((future, prepared))
        return full

    def _finish(self, batch: Sequence[tuple[Future[Result], Prepared]]) -> None:
        """Processes and finishes a batch; if that fails, item by item, to find the faulty one."""
        pairs: list[tuple[tuple[Future[Result], Prepared], Processed]] = []
        try:
            processed = self.process_batch([prepared for _, prepared in batch])
            pairs = list(zip(batch, processed, strict=True))
        except BaseException as error:  # noqa: BLE001 (raised in the calling thread)
            if len(batch) == 1:
                batch[0][0].set_exception(error)
                return
            for task in batch:
                self._finish([task])
        for (future, _), result in pairs:
            with _errors_to(future):
                future.set_result(self.finish(result))


def _wait_for(future: Future[Result], threads: Sequence[threading.Thread]) -> Result:
    """Returns a future's result; raises RuntimeError if no thread is left to produce it."""
    while not wait([future], _POLL_S).done:
        if not any(thread.is_alive() for thread in threads) and not future.done():
            raise RuntimeError("all worker threads ended, and a result is missing")
    return future.result()


@contextmanager
def _errors_to(future: Future[Result]) -> Iterator[None]:
    """Sets an error of the block as the future's error."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 (raised in the calling thread)
        future.set_exception(error)
