"""The load that clients put on a server."""

from __future__ import annotations

import threading
import time

import pytest

from benchmarks.serving.load import load_server
from fkd_infer.errors import ContenderError


def test_clients_wait_for_their_answers_and_all_send_at_once() -> None:
    at_once = 0
    most = 0
    lock = threading.Lock()

    def request() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1

    load = load_server("a server", [request] * 3, 0.2)
    assert most == 3
    assert len(load.latencies) <= 3 * 0.2 / 0.02 + 3
    assert min(load.latencies) >= 0.02
    assert load.seconds >= 0.2
    assert load.rate == pytest.approx(len(load.latencies) / load.seconds)


def test_a_request_that_fails_ends_the_measurement_with_its_reason() -> None:
    def request() -> None:
        raise RuntimeError("503: too many requests")

    with pytest.raises(ContenderError, match=r"a server could not be timed.*503"):
        load_server("a server", [request], 30)
