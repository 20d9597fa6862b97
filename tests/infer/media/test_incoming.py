"""Pictures by HTTP, from a local server."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from fkd_infer.errors import LimitError, StreamError, UnreadableImageError
from fkd_infer.limits import Limits
from fkd_infer.media import incoming
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sources import Source, expand_sources


def picture(level: int) -> bytes:
    return bytes(cv2.imencode(".png", np.full((30, 40, 3), level, np.uint8))[1].tobytes())


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/secret") and self.headers["Authorization"] != _KEY:
            return self._answer(401, b"")
        if path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/a/1.png")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if path == "/cut.png":
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(picture(1))
            self.close_connection = True
            return None
        answers = {
            "/a/1.png": (200, picture(10)),
            "/b/1.png": (200, picture(20)),
            "/photo": (200, picture(len(self.path) % 256)),
            "/secret.png": (200, picture(30)),
            "/page.png": (200, b"<html>"),
            "/object": (200, picture(40)),
            f"/{'x' * 300}.png": (200, picture(50)),
        }
        if path == "/slow.png":
            return self._drip()
        kind = "application/octet-stream" if path == "/object" else "image/png"
        return self._answer(*answers.get(path, (404, b"")), kind)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def _answer(self, status: int, body: bytes, kind: str = "image/png") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keeps the tests' output clean."""


_KEY = f"Basic {b64encode(b'me:p@ss').decode()}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


def levels(sources: list[Source]) -> list[int]:
    return [int(frame.image[0, 0, 0]) for source in sources for frame in frames_from(source)]


def test_pictures_of_one_host_do_not_collide(server: str) -> None:
    sources = expand_sources([f"http://{server}/a/1.png", f"http://{server}/b/1.png?token=s3cret"])
    assert [source.kind for source in sources] == ["image", "image"]
    assert [source.name for source in sources] == [
        f"http://{server}/a/1.png",
        f"http://{server}/b/1.png",
    ]
    assert len({source.output for source in sources}) == 2
    assert all(str(source.output).startswith("1-") for source in sources)
    assert levels(sources) == [10, 20]


def test_an_answer_that_is_an_image_is_a_picture_whatever_its_address(server: str) -> None:
    sources = expand_sources([f"http://{server}/photo?id=7", f"http://{server}/photo?id=12"])
    assert [source.kind for source in sources] == ["image", "image"]
    assert {source.output.suffix for source in sources} == {".png"}
    assert levels(sources) == [len("/photo?id=7"), len("/photo?id=12")]


def test_any_name_and_any_type_of_content(server: str) -> None:
    long, plain = expand_sources([f"http://{server}/{'x' * 300}.png", f"http://{server}/object"])
    assert levels([long, plain]) == [50, 40]
    assert len(str(long.output)) == 100


def test_a_slow_server_is_given_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_TOTAL_S", 0.2)
    [source] = expand_sources([f"http://{server}/slow.png"])
    with pytest.raises(StreamError, match="it took more than"):
        levels([source])


def test_an_address_that_is_none() -> None:
    [source] = expand_sources(["http://[::1/x.jpg"])
    with pytest.raises(StreamError, match="does not open"):
        levels([source])


def test_follows_redirects_and_sends_the_password(server: str) -> None:
    sources = expand_sources(
        [f"http://{server}/moved.png", f"http://me:p%40ss@{server}/secret.png"]
    )
    assert levels(sources) == [10, 30]
    assert "p%40ss" not in sources[1].name
    assert "p%40ss" not in repr(sources[1])


@pytest.mark.parametrize(
    ("path", "why"),
    [("none.png", "404"), ("secret.png", "401"), ("cut.png", "the connection ended too early")],
)
def test_a_picture_that_cannot_be_fetched_fails_alone(server: str, path: str, why: str) -> None:
    failing, good = expand_sources([f"http://{server}/{path}", f"http://{server}/a/1.png"])
    with pytest.raises((StreamError, UnreadableImageError), match=why):
        levels([failing])
    assert levels([good]) == [10]


def test_an_answer_that_is_no_picture(server: str) -> None:
    [source] = expand_sources([f"http://{server}/page.png"])
    with pytest.raises(UnreadableImageError, match=f"http://{server}/page.png: .* not an image"):
        levels([source])


def test_downloads_no_more_than_the_limits_allow(server: str) -> None:
    limits = Limits(memory=20)
    [source] = expand_sources([f"http://{server}/a/1.png"], limits=limits)
    with pytest.raises(LimitError, match="--limit-memory"):
        levels([source])
    assert source.output == Path("1.png")
