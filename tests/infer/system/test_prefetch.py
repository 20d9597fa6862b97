"""Iteration in a background thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from fkd_infer.system.prefetch import join_or_abandon, prefetch


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_yields_items_in_order_from_another_thread() -> None:
    def names() -> Iterator[str]:
        for _ in range(50):
            yield threading.current_thread().name

    assert list(prefetch(names(), 3, "other")) == ["other"] * 50
    assert "other" not in threads()


def test_raises_an_error_in_place_of_its_item() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    items = prefetch(failing(), 5, "failing")
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(items)
    assert list(items) == []
    assert "failing" not in threads()


def test_the_buffer_is_bounded() -> None:
    produced: list[int] = []

    def counting() -> Iterator[int]:
        for number in range(100):
            produced.append(number)
            yield number

    with closing(prefetch(counting(), 3)) as numbers:
        for number in numbers:
            time.sleep(0.002)
            # Three are in the buffer, one is being put, and one was consumed.
            assert produced[-1] - number <= 4
            if number == 20:
                break


def test_closing_ends_the_thread_and_closes_its_iterable() -> None:
    ended: list[str] = []

    def forever() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.append(threading.current_thread().name)

    numbers = prefetch(prefetch(forever(), 1, "inner"), 1, "outer")
    assert next(numbers) == 0
    started = time.perf_counter()
    numbers.close()
    assert time.perf_counter() - started < 20
    assert ended == ["inner"]
    assert not {"inner", "outer"} & threads()


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        with closing(prefetch(iter(range(100)), 2, "left")) as numbers:
            for number in numbers:
                if number == 5:
                    raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        consume()
    assert "left" not in threads()


def test_does_not_start_before_the_first_request() -> None:
    prefetch(iter([1]), 1, "never").close()
    assert "never" not in threads()


def test_abandons_a_thread_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="stuck", daemon=True)
    thread.start()
    join_or_abandon(thread, timeout_s=0.05)
    assert "the thread 'stuck' hangs, and is left behind" in caplog.text
    release.set()
    thread.join()
