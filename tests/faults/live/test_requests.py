"""Malformed and hostile requests to the live page."""

from __future__ import annotations

import json
import select
import time

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_process import HOST, JSON, LiveProcess, check_headers, read_answer, receive_until_closed

DOTS = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "..;"]
SLASHES = ["/", "%2f", "\\", "%5c", "%255c", "//"]


@pytest.mark.parametrize("target", ["etc/passwd", "server.py", "page/index.html"])
def test_no_file_of_the_machine_can_be_read(page: LiveProcess, target: str) -> None:
    paths = [f"/{slash.join([dots] * 6)}{slash}{target}" for dots in DOTS for slash in SLASHES]
    paths += [f"/{target}", f"//{target}", f"/state/../{target}", f"/%00/{target}", f"/{target}%00"]
    paths += [f"file:///{target}", f"/app.js%00/../{target}", f"/app.js/..%2f{target}", "/C:\\x"]
    paths += ["/app.js%00", "/index.html", "/app.js/", "/APP.JS", "/style.css%20", "/state/"]
    for path in paths:
        answer = page.get(path)
        assert answer.status == 404, path
        assert json.loads(answer.body) == {"error": "Not Found"}
        check_headers(answer)


def test_a_path_of_8_kb_is_not_found(page: LiveProcess) -> None:
    assert page.get("/" + "a" * 8000).status == 404


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (b"GET /", b"a"),
        (b"GET /state HTTP/1.1\r\n" + HOST + b"X: ", b"a"),
        (b"GET /state HTTP/1.1\r\n" + HOST, b"X: y\r\n"),
    ],
    ids=["path", "header", "headers"],
)
def test_a_head_without_end_is_refused(page: LiveProcess, start: bytes, rest: bytes) -> None:
    with page.connect() as client:
        client.sendall(start)
        for _ in range(300):
            if select.select([client], [], [], 0.01)[0]:
                break
            client.sendall(rest * (1024 // len(rest)))
        answer = read_answer(client)
    assert (answer.status, answer.headers["Connection"]) == (400, "close")


@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png", "/app.js"])
@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 99]
)
def test_other_methods_are_refused(page: LiveProcess, method: str, path: str) -> None:
    secret = b"X-Secret: 123\r\n"
    answer = page.send(f"{method} {path} HTTP/1.1\r\n".encode() + HOST + secret + b"\r\n")
    assert answer.status == 405
    assert b"123" not in answer.body
    check_headers(answer)


@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png", "/nothing"])
def test_head_answers_without_a_body(page: LiveProcess, path: str) -> None:
    with page.connect() as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n")
        _, received = receive_until_closed(client, 5)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404" if path == "/nothing" else b"HTTP/1.1 200")
    assert body == b""


MALFORMED = [
    b"\r\n" * 3 + b"\0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /state\r\n\r\n",
    b"GET /sta te HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /state HTTP/1.1\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + HOST + b"X y: z\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + HOST + b"X: y\r\n: none\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length: 2, 3\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length: +2\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length : 2\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"HEAD /state HTTP/1.1\r\n" + HOST + b"Content-Length: 2, 3\r\n\r\n",
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_a_malformed_request_is_refused(page: LiveProcess, number: int) -> None:
    with page.connect() as client:
        client.sendall(MALFORMED[number])
        answer = read_answer(client)
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert answer.body


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"\x0bchunked"])
def test_bodies_of_unknown_coding_are_refused(page: LiveProcess, coding: bytes) -> None:
    head = b"POST /state HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: " + coding
    assert page.send(head + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n").status == 400


@pytest.mark.parametrize("first", ["length", "coding"])
def test_no_second_request_hides_in_a_body(page: LiveProcess, first: str) -> None:
    lengths = [b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"]
    hidden = b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n"
    with page.connect() as client:
        client.sendall(
            b"POST /state HTTP/1.1\r\n" + HOST + JSON
            + b"".join(lengths if first == "length" else lengths[::-1])
            + b"\r\n0\r\n\r\n" + hidden
        )  # fmt: skip
        _, received = receive_until_closed(client, 5)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", [b"/state", b"/stream", b"/nothing"])
def test_a_body_that_turns_invalid_after_the_answer_ends_the_connection(
    page: LiveProcess, path: bytes
) -> None:
    with page.connect() as client:
        client.sendall(
            b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        time.sleep(0.2)
        client.sendall(b"zz\r\n")
        seconds, received = receive_until_closed(client, 5)
    assert seconds < 1
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_body_that_is_cut_short_is_not_logged(page: LiveProcess) -> None:
    for _ in range(3):
        with page.connect() as client:
            client.sendall(
                b"POST /state HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 50\r\n\r\n{"
            )
            time.sleep(0.1)
    assert page.get().status == 200


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9"])
def test_other_versions_of_http_are_refused(page: LiveProcess, version: bytes) -> None:
    answer = page.send(b"GET /state " + version + b"\r\n" + HOST + b"\r\n")
    assert answer.status == 505
    check_headers(answer)


def test_clients_of_http_1_0_are_answered_and_disconnected(page: LiveProcess) -> None:
    with page.connect() as client:
        client.sendall(b"GET /state HTTP/1.0\r\n" + HOST + b"\r\n")
        seconds, received = receive_until_closed(client, 5)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert seconds < 1
    assert page.send(b"GET /state HTTP/1.0\r\n\r\n").status == 421


def test_upgrades_to_other_protocols_are_ignored(page: LiveProcess) -> None:
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
    upgrade += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    assert page.get("/nothing", *upgrade).status == 404
    assert page.get("/state", *upgrade).status == 200
    assert page.get("/state", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c").status == 200


@pytest.mark.parametrize("end", ["%0d%0a", "%0a", "%0d", "%E5%98%8A%E5%98%8D"])
def test_no_header_can_be_injected(page: LiveProcess, end: str) -> None:
    for path in ("/{}X-Evil:%20yes", "/state{}X-Evil:%20yes", "/?token={}X-Evil:%20yes"):
        answer = page.get(path.format(end))
        assert "X-Evil" not in answer.headers
        check_headers(answer)


def test_deeply_nested_json_is_refused(page: LiveProcess) -> None:
    for depth in (10, 500, *range(900, 1000, 5), 2000):
        body = b'{"smoothing":' + b"[" * depth + b"]" * depth + b"}"
        head = b"POST /state HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: %d\r\n\r\n" % len(body)
        assert page.send(head + body).status == 400
