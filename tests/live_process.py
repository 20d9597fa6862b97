"""A running `fkd-infer live` in a process of its own, and raw connections to it; needs /proc."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from live_page import drawn_frames, wait_until
from tiny_models import MODELS

from fkd_infer.media.video.writer import VideoSink

TIMEOUT_S = 2
"""Every timeout of these servers, so that the tests are short."""
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"

_SHORT_TIMEOUTS = f"""
from fkd_infer.live import server as live_server, state as live_state, stream as live_stream
live_server.KEEP_ALIVE_S = live_state.BODY_TIMEOUT_S = live_stream.SEND_TIMEOUT_S = {TIMEOUT_S}
"""
_MAIN = """
from fkd_infer.cli.main import main
sys.argv[0] = 'fkd-infer'
main()
"""


@dataclass(frozen=True)
class Answer:
    """A response; `body` is empty for a stream without end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class LiveProcess:
    """A running `fkd-infer live`."""

    process: subprocess.Popen[str]
    port: int
    _idle_sockets: list[int] = field(default_factory=list)

    def wait_for_idle(self) -> int:
        """Waits until connections of earlier tests are closed; returns the open sockets."""
        if not self._idle_sockets:
            self.get()  # after its answer, the server has opened all sockets of its own
            counts = [-1]
            while len(set(counts[-20:])) > 1 or len(counts) < 20:
                time.sleep(0.01)
                counts.append(self.sockets())
            self._idle_sockets.append(counts[-1])
        wait_until(lambda: self.sockets() <= self._idle_sockets[0], seconds=30)
        return self._idle_sockets[0]

    def sockets(self) -> int:
        """Open files that are sockets; the video is opened and closed again and again."""
        count = 0
        for handle in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                count += str(handle.readlink()).startswith("socket:")
        return count

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Opens a connection from an address of the loopback."""
        return socket.create_connection(("127.0.0.1", self.port), 10, (source, 0))

    def connect_slow_reader(self, request: bytes) -> socket.socket:
        """Sends a request on a connection with a small buffer, which nobody reads."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", self.port))
        client.sendall(request)
        return client

    def send(self, request: bytes, source: str = "127.0.0.1", seconds: float = 5) -> Answer:
        """Sends bytes on a new connection and reads one answer."""
        with self.connect(source) as client:
            client.settimeout(seconds)
            client.sendall(request)
            return read_answer(client, head=request.startswith(b"HEAD"))

    def get(self, path: str = "/state", *headers: bytes, source: str = "127.0.0.1") -> Answer:
        """Requests a path on a new connection."""
        lines = b"".join(line + b"\r\n" for line in headers)
        return self.send(b"GET %s HTTP/1.1\r\n" % path.encode() + HOST + lines + b"\r\n", source)

    def stats(self) -> dict[str, Any]:
        """The figures of /state."""
        stats: dict[str, Any] = json.loads(self.get().body)["stats"]
        return stats


def read_answer(client: socket.socket, head: bool = False) -> Answer:
    """Reads one answer; of a stream without end only the head."""
    with closing(http.client.HTTPResponse(client, method="HEAD" if head else "GET")) as response:
        response.begin()
        endless = "multipart" in response.headers.get("Content-Type", "")
        return Answer(response.status, response.headers, b"" if endless else response.read())


def check_headers(answer: Answer) -> None:
    """Checks that an answer has the security headers, and neither Server nor CORS headers."""
    from fkd_infer.live.access.guard import security_headers

    expected = security_headers()
    assert {name: answer.headers[name] for name in expected} == expected
    assert "Server" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


def receive_until_closed(client: socket.socket, seconds: float) -> tuple[float, bytes]:
    """Receives until the other side closes; returns the seconds that took, and the bytes."""
    started, received = time.monotonic(), b""
    client.settimeout(seconds)
    with suppress(ConnectionError):
        while chunk := client.recv(65536):
            received += chunk
    return time.monotonic() - started, received


def write_video(path: Path) -> Path:
    """Writes a video of five frames."""
    with VideoSink(path, None) as video:
        for frame in drawn_frames(5, size=(320, 240))():
            video.write(frame)
    return path


def start_live(video: Path, *arguments: str, setup: str = _SHORT_TIMEOUTS) -> subprocess.Popen[str]:
    """Starts the command in a new Python that runs `setup` first."""
    model = ["--model", str(MODELS / "fixed.onnx")]
    program = f"import sys\n{setup}\n{_MAIN}"
    return subprocess.Popen(
        [sys.executable, "-c", program, "live", str(video), "--port", "0", *model, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENCV_LOG_LEVEL": "SILENT"},
    )


def wait_for_page(process: subprocess.Popen[str]) -> LiveProcess:
    """Waits until the command prints the page's address."""
    assert process.stdout is not None
    lines = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
    match = re.search(r":(\d+)/", lines)
    if not match:
        pytest.fail(f"{lines}{process.communicate(timeout=10)}")
    return LiveProcess(process, int(match[1]))


@contextmanager
def run_live(video: Path, *arguments: str) -> Iterator[LiveProcess]:
    """Runs a page that has to end cleanly, and to print nothing whatever it is sent."""
    process = start_live(video, *arguments)
    try:
        yield wait_for_page(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (130, "", "stopped\n")
    finally:
        process.kill()
        process.wait()
