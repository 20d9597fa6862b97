"""A function mapped in threads: results in order, a bound on what waits, errors in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fkd_infer.system.map_ahead import map_ahead


def test_results_come_in_order_and_at_once() -> None:
    meeting = threading.Barrier(4)

    def meet(number: int) -> int:
        meeting.wait(30)
        time.sleep(0.01 * (number % 3))
        return number

    assert list(map_ahead(meet, range(12), threads=4, ahead=4)) == list(range(12))


def test_reads_no_further_than_allowed() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    results = map_ahead(lambda number: number, items(), 2, ahead=50, size=lambda _: 10)
    assert next(results) == 0
    assert len(read) == 6
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]


def test_an_error_comes_in_place_of_its_result() -> None:
    results = map_ahead(lambda number: 6 // number, [2, 1, 0, 3], 2, ahead=2)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
