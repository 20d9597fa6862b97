"""Iterables in threads of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from fkd_infer.system.prefetch import join_or_abandon, prefetch


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_items_come_in_order_from_another_thread() -> None:
    def names() -> Iterator[str]:
        for _ in range(50):
            yield threading.current_thread().name

    assert list(prefetch(names(), 3, "other")) == ["other"] * 50
    assert "other" not in threads()


def test_an_error_is_raised_in_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    taken = prefetch(failing(), 5, "failing")
    assert [next(taken), next(taken)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(taken)
    assert list(taken) == []
    assert "failing" not in threads()


def test_no_more_wait_than_there_is_room() -> None:
    made: list[int] = []

    def counting() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(prefetch(counting(), 3)) as taken:
        for number in taken:
            time.sleep(0.002)
            # Three wait, one is being put, and one was taken.
            assert made[-1] - number <= 4
            if number == 20:
                break


def test_closing_ends_the_thread_and_what_it_works_off() -> None:
    ended: list[str] = []

    def forever() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.append(threading.current_thread().name)

    taken = prefetch(prefetch(forever(), 1, "inner"), 1, "outer")
    assert next(taken) == 0
    started = time.perf_counter()
    taken.close()
    assert time.perf_counter() - started < 20
    assert ended == ["inner"]
    assert not {"inner", "outer"} & threads()


def test_an_error_of_the_consumer_ends_it_too() -> None:
    def consume() -> None:
        with closing(prefetch(iter(range(100)), 2, "left")) as taken:
            for number in taken:
                if number == 5:
                    raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        consume()
    assert "left" not in threads()


def test_one_that_was_never_asked_is_not_begun() -> None:
    prefetch(iter([1]), 1, "never").close()
    assert "never" not in threads()


def test_a_thread_that_hangs_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="stuck", daemon=True)
    thread.start()
    join_or_abandon(thread, patience=0.05)
    assert "the thread 'stuck' hangs, and is left behind" in caplog.text
    over.set()
    thread.join()
