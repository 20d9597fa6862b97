"""Worker threads: order and bounds of their results, and how they end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any

import pytest

from fkd_infer.errors import OutputError
from fkd_infer.system.worker_pool import WorkerPool


def pool(
    prepare: Callable[[int], int] = lambda item: item,
    is_full: Callable[[Sequence[int]], bool] = lambda batch: len(batch) >= 4,
    process_batch: Callable[[Sequence[int]], Sequence[int]] = lambda batch: batch,
    finish: Callable[[int], int] = lambda item: 10 * item,
    size: Callable[[int], int] = lambda _: 1,
    capacity: int = 12,
    workers: int = 3,
) -> WorkerPool[int, int, int, int]:
    return WorkerPool(prepare, is_full, process_batch, finish, size, capacity, workers)


@pytest.fixture(autouse=True)
def _all_threads_end() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def slow_when_even(item: int) -> int:
    time.sleep(0.004 if item % 2 == 0 else 0)
    return item


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_have_the_order_of_the_items(workers: int) -> None:
    results = pool(slow_when_even, workers=workers)(range(50))
    assert list(results) == [10 * n for n in range(50)]


def test_no_items_have_no_results() -> None:
    assert list(pool()([])) == []


def test_workers_run_at_once() -> None:
    """Each waits until all three have started, which never happens one after the other."""
    barrier = threading.Barrier(3, timeout=20)

    def meet(item: int) -> int:
        barrier.wait()
        return item

    assert list(pool(meet, workers=3)(range(9))) == [10 * n for n in range(9)]


def test_waiting_items_are_processed_in_batches() -> None:
    sizes: list[int] = []

    def process_batch(batch: Sequence[int]) -> Sequence[int]:
        sizes.append(len(batch))
        return batch

    results = pool(process_batch=process_batch, workers=1)(range(12))
    assert list(results) == [10 * n for n in range(12)]
    assert sum(sizes) == 12
    assert max(sizes) == 4


def largest_in_flight(sizes: Iterable[int], capacity: int) -> int:
    """The largest total size of items that were read and had no result yet."""
    read = answered = largest = 0

    def items() -> Iterator[int]:
        nonlocal read, largest
        for size in sizes:
            read += size
            largest = max(largest, read - answered)
            yield size

    results = pool(finish=lambda item: item, capacity=capacity, size=lambda item: item)(items())
    for size in results:
        answered += size
    return largest


def test_reads_no_more_than_its_capacity() -> None:
    assert largest_in_flight([1] * 500, 12) <= 12
    assert largest_in_flight([5] * 100, 12) <= 15, "the last item may exceed it"
    assert largest_in_flight([1000] * 20, 12) == 1000, "a larger item comes alone"


def failing_at(number: int, error: BaseException) -> Callable[[int], int]:
    def fail(item: int) -> int:
        if item == number:
            raise error
        return item

    return fail


ERRORS = [OutputError("x.png", "no"), ValueError("7"), MemoryError(), SystemExit(3)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("step", ["prepare", "is_full", "process_batch", "finish"])
def test_raises_an_error_in_place_of_its_result(step: str, error: BaseException) -> None:
    fail = failing_at(7, error)
    steps: dict[str, Any] = {
        "prepare": {"prepare": fail},
        "is_full": {"is_full": lambda batch: [fail(item) for item in batch] == []},
        "process_batch": {"process_batch": lambda batch: [fail(item) for item in batch]},
        "finish": {"finish": fail},
    }
    results = pool(**steps[step], workers=2)(range(1000))
    assert len([next(results) for _ in range(7)]) == 7
    with pytest.raises(type(error)) as raised:
        next(results)
    assert raised.value is error
    assert list(results) == []


def test_raises_an_error_of_the_items_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk")

    results = pool()(items())
    assert list(islice(results, 3)) == [0, 10, 20]
    with pytest.raises(OSError, match="the disk"):
        next(results)


def test_a_batch_with_too_few_results_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(pool(process_batch=lambda _: [])(range(5)))


def test_closing_ends_the_threads() -> None:
    results = pool(slow_when_even)(count())
    assert next(results) == 0
    results.close()


def test_closing_drops_items_that_are_not_started() -> None:
    started: list[int] = []

    def prepare(item: int) -> int:
        started.append(item)
        time.sleep(0.05)
        return item

    results = pool(prepare, workers=1, capacity=100, is_full=lambda _: True)(count())
    next(results)
    results.close()
    assert len(started) < 20


def test_a_program_that_ends_by_an_error_ends() -> None:
    """Its traceback holds the generator, which is therefore never closed."""
    code = (
        "import itertools\nfrom fkd_infer.system.worker_pool import WorkerPool\n"
        "same = lambda item: item\n"
        "pool = WorkerPool(same, lambda _: True, same, same, lambda _: 1, 9, 2)\n"
        "results = pool(itertools.count())\nfor number in results:\n    1 / 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ZeroDivisionError: division by zero")
