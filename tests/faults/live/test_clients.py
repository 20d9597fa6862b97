"""Slow, idle and many clients of the live page."""

from __future__ import annotations

import select
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_page import wait_until
from live_process import (
    HOST,
    JSON,
    TIMEOUT_S,
    LiveProcess,
    check_headers,
    read_answer,
    receive_until_closed,
)

from fkd_infer.live.page_app import MAX_VIEWERS
from fkd_infer.live.server import MAX_CONNECTIONS

STATE = b"GET /state HTTP/1.1\r\n" + HOST


def test_an_idle_connection_is_closed_after_an_answer(page: LiveProcess) -> None:
    before = page.wait_for_idle()
    with page.connect() as client:
        client.sendall(STATE + b"\r\n")
        seconds, received = receive_until_closed(client, TIMEOUT_S + 5)
    assert b" 200 " in received
    assert TIMEOUT_S - 0.5 < seconds < TIMEOUT_S + 3
    wait_until(lambda: page.sockets() <= before)


def test_a_body_that_comes_slowly_is_refused(page: LiveProcess) -> None:
    with page.connect() as client:
        client.sendall(b"POST /state HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 4000\r\n\r\n")
        started = time.monotonic()
        while not select.select([client], [], [], 0.1)[0]:
            client.sendall(b"{")
            assert time.monotonic() - started < TIMEOUT_S + 5
        assert read_answer(client).status == 408


def test_a_request_in_small_pieces_is_answered(page: LiveProcess) -> None:
    with page.connect() as client:
        for byte in STATE + b"\r\n":
            client.sendall(bytes([byte]))
        assert read_answer(client).status == 200


def test_viewers_that_read_nothing_lose_their_places(page: LiveProcess) -> None:
    before = page.wait_for_idle()
    request = b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n"
    with ExitStack() as opened:
        for _ in range(MAX_VIEWERS):
            opened.enter_context(page.connect_slow_reader(request))
        wait_until(lambda: page.stats()["viewers"] == MAX_VIEWERS)
        assert page.get("/stream").status == 503
        wait_until(lambda: page.stats()["viewers"] == 0, seconds=30)
        assert page.get("/stream").status == 200
    wait_until(lambda: page.sockets() <= before)


def test_requests_beyond_the_limit_of_connections_get_503(page: LiveProcess) -> None:
    before = page.wait_for_idle()
    with ExitStack() as opened:
        for _ in range(MAX_CONNECTIONS):
            opened.enter_context(page.connect()).sendall(b"GET")
        wait_until(lambda: page.sockets() >= before + MAX_CONNECTIONS)
        refused = page.get()
        assert refused.status == 503
        assert refused.headers["Connection"] == "close"
        check_headers(refused)
    wait_until(lambda: page.sockets() <= before)
    assert page.get().status == 200


def test_a_hundred_clients_at_once_are_answered(page: LiveProcess) -> None:
    before = page.wait_for_idle()
    with ExitStack() as opened:
        clients = []
        for _ in range(100):
            clients.append(opened.enter_context(page.connect()))
            clients[-1].sendall(STATE + b"Connection: close\r\n\r\n")
        answers = [read_answer(client) for client in clients]
    assert {answer.status for answer in answers} <= {200, 503}
    for answer in answers:
        check_headers(answer)
    wait_until(lambda: page.sockets() <= before)
    assert page.get().status == 200


def test_a_flood_of_requests_does_not_stop_the_video(page: LiveProcess) -> None:
    def count_answers(_: int) -> int:
        with page.connect() as client:
            count = 0
            for _ in range(50):
                client.sendall(b"GET /snapshot.png HTTP/1.1\r\n" + HOST + b"\r\n")
                count += read_answer(client).status == 200
            return count

    frames = page.stats()["frames"]
    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(count_answers, range(8))) == 8 * 50
    wait_until(lambda: page.stats()["frames"] > frames)
