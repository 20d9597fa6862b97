"""Handing over the newest value."""

from __future__ import annotations

import threading
import time

from fkd_infer.live.latest import Latest


def test_a_new_value_replaces_one_that_nobody_took() -> None:
    latest: Latest[int] = Latest()
    for value in (1, 2, 3):
        latest.put(value)
    assert latest.get(lambda: True) == 3
    assert latest.dropped == 2


def test_close_ends_a_waiting_get() -> None:
    latest: Latest[int] = Latest()
    values: list[int | None] = []
    thread = threading.Thread(target=lambda: values.append(latest.get(lambda: True)))
    thread.start()
    latest.close()
    thread.join(30)
    assert values == [None]


def test_get_does_not_wait_for_a_thread_that_has_ended() -> None:
    latest: Latest[int] = Latest()
    started = time.monotonic()
    assert latest.get(lambda: False) is None
    assert time.monotonic() - started < 10
    producer = threading.Thread(target=time.sleep, args=(0.2,))
    producer.start()
    assert latest.get(producer.is_alive) is None
    latest.put(1)
    assert latest.get(lambda: False) == 1
