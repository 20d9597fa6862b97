"""Maps a function in threads, some items ahead of the consumer, with results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    ahead: int,
    size: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Result]:
    """Yields the result for each item, in order, while threads work on those that follow it.

    The sizes of items whose results are waited for add up to `ahead` at most, apart from the last.
    Items are read in the calling thread. An error is raised in place of its result; then, or when
    the generator is closed, results that nobody waits for are dropped.
    """
    waiting: deque[tuple[Future[Result], int]] = deque()
    total = 0
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for item in items:
                waiting.append((pool.submit(function, item), size(item)))
                total += waiting[-1][1]
                while total > ahead:
                    future, taken = waiting.popleft()
                    total -= taken
                    yield future.result()
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()
