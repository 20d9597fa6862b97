"""Threads that share work: order, bounds, and their end whatever happens."""

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


def crew(
    begin: Callable[[int], int] = lambda item: item,
    full: Callable[[Sequence[int]], bool] = lambda begun: len(begun) >= 4,
    together: Callable[[Sequence[int]], Sequence[int]] = lambda begun: begun,
    end: Callable[[int], int] = lambda one: 10 * one,
    size: Callable[[int], int] = lambda _: 1,
    room: int = 12,
    workers: int = 3,
) -> WorkerPool[int, int, int, int]:
    return WorkerPool(begin, full, together, end, size, room, workers)


@pytest.fixture(autouse=True)
def _every_thread_ends() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def slow_when_even(item: int) -> int:
    time.sleep(0.004 if item % 2 == 0 else 0)
    return item


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_the_order_of_what_was_given(workers: int) -> None:
    found = crew(slow_when_even, workers=workers)(range(50))
    assert list(found) == [10 * n for n in range(50)]


def test_nothing_gives_nothing() -> None:
    assert list(crew()([])) == []


def test_several_work_at_once() -> None:
    """Each waits until all three have begun, which one after the other never would."""
    together = threading.Barrier(3, timeout=20)

    def meet(item: int) -> int:
        together.wait()
        return item

    assert list(crew(meet, workers=3)(range(9))) == [10 * n for n in range(9)]


def test_what_is_there_at_once_is_finished_together() -> None:
    sizes: list[int] = []

    def together(begun: Sequence[int]) -> Sequence[int]:
        sizes.append(len(begun))
        return begun

    assert list(crew(together=together, workers=1)(range(12))) == [10 * n for n in range(12)]
    assert sum(sizes) == 12
    assert max(sizes) == 4


def largest_in_flight(sizes: Iterable[int], room: int) -> int:
    """How much was taken at once and not answered yet."""
    taken = answered = largest = 0

    def given() -> Iterator[int]:
        nonlocal taken, largest
        for size in sizes:
            taken += size
            largest = max(largest, taken - answered)
            yield size

    for size in crew(end=lambda one: one, room=room, size=lambda item: item)(given()):
        answered += size
    return largest


def test_no_more_is_taken_than_there_is_room_for() -> None:
    assert largest_in_flight([1] * 500, 12) <= 12
    assert largest_in_flight([5] * 100, 12) <= 15, "the last one may stand out"
    assert largest_in_flight([1000] * 20, 12) == 1000, "one that is too large comes alone"


def failing_at(number: int, error: BaseException) -> Callable[[int], int]:
    def begin(item: int) -> int:
        if item == number:
            raise error
        return item

    return begin


ERRORS = [OutputError("x.png", "no"), ValueError("7"), MemoryError(), SystemExit(3)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("step", ["begin", "full", "together", "end"])
def test_an_error_comes_in_the_place_of_its_result(step: str, error: BaseException) -> None:
    fail = failing_at(7, error)
    steps: dict[str, Any] = {
        "begin": {"begin": fail},
        "full": {"full": lambda begun: [fail(one) for one in begun] == []},
        "together": {"together": lambda begun: [fail(one) for one in begun]},
        "end": {"end": fail},
    }
    found = crew(**steps[step], workers=2)(range(1000))
    assert len([next(found) for _ in range(7)]) == 7
    with pytest.raises(type(error)) as raised:
        next(found)
    assert raised.value is error
    assert list(found) == []


def test_an_error_of_what_is_given_comes_after_the_results_before_it() -> None:
    def given() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk")

    found = crew()(given())
    assert list(islice(found, 3)) == [0, 10, 20]
    with pytest.raises(OSError, match="the disk"):
        next(found)


def test_too_few_results_are_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(crew(together=lambda _: [])(range(5)))


def test_whoever_stops_asking_ends_the_threads() -> None:
    found = crew(slow_when_even)(count())
    assert next(found) == 0
    found.close()


def test_what_is_not_begun_when_asking_ends_is_never_done() -> None:
    begun: list[int] = []

    def begin(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        return item

    found = crew(begin, workers=1, room=100, full=lambda _: True)(count())
    next(found)
    found.close()
    assert len(begun) < 20


def test_a_program_that_ends_by_an_error_ends() -> None:
    """Its traceback holds the iterator, which so is never closed."""
    code = (
        "import itertools\nfrom fkd_infer.system.worker_pool import WorkerPool\n"
        "same = lambda one: one\n"
        "pool = WorkerPool(same, lambda _: True, same, same, lambda _: 1, 9, 2)\n"
        "found = pool(itertools.count())\nfor number in found:\n    1 / 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ZeroDivisionError: division by zero")
