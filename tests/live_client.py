"""A client of the live page's server."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fkd_infer.live.server import LiveServer

JSON = {"Content-Type": "application/json"}


def ask(
    server: LiveServer,
    path: str,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Sends one request; returns status, body and headers of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def get_state(server: LiveServer) -> dict[str, Any]:
    """The answer of /state."""
    status, body, _ = ask(server, "/state")
    assert status == 200
    state: dict[str, Any] = json.loads(body)
    return state


@contextmanager
def open_stream(server: LiveServer, buffer: int | None = None) -> Iterator[socket.socket]:
    """Opens a connection that asks for the stream and reads nothing by itself."""
    with socket.socket() as viewer:
        viewer.settimeout(10)
        if buffer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        viewer.connect(("127.0.0.1", server.port))
        viewer.sendall(b"GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        yield viewer


def read_pictures(viewer: socket.socket, count: int) -> list[bytes]:
    """Reads the next pictures of a stream."""
    pictures: list[bytes] = []
    with viewer.makefile("rb") as stream:
        while len(pictures) < count:
            line = stream.readline()
            assert line, "the stream ended"
            if line.startswith(b"Content-Length:"):
                assert stream.readline() == b"\r\n"
                pictures.append(stream.read(int(line.split(b":")[1])))
    return pictures
