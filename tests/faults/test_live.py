"""The live page under attack: a real process, real connections, and faults while it runs."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tiny_models import MODELS

if sys.platform != "linux":
    pytest.skip("counts open files in /proc", allow_module_level=True)
import resource

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_runner import TOKEN, pictures, until

from fkd_infer.live.connection import CONNECTIONS
from fkd_infer.live.guard import HEADERS
from fkd_infer.live.rate_limit import MAX_WRONG_TOKENS, SECONDS_PER_RETRY, FailedAttempts
from fkd_infer.live.server import MAX_VIEWERS
from fkd_infer.media.video.writer import VideoSink

REQUEST_S, TAKEN_S = 2.0, 2.0
"""The limits of time as these servers have them, so that the tests are short."""
HANDLES = 220
"""Open files that the servers may have: fewer than the connections of a flood."""
ME = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"

SHORT = f"""
import sys, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({HANDLES}, {HANDLES}))
from fkd_infer.live import connection as live_connection
live_connection.REQUEST_S, live_connection.TAKEN_S = {REQUEST_S}, {TAKEN_S}
"""
MAIN = """
from fkd_infer.cli.main import main
sys.argv[0] = 'fkd-infer'
main()
"""


@dataclass(frozen=True)
class Page:
    """A running `fkd-infer live`."""

    process: subprocess.Popen[str]
    port: int
    idle: list[int] = field(default_factory=list)

    def quiet(self) -> int:
        """Open sockets without a connection, once those of earlier tests are over."""
        if not self.idle:
            self.get()  # by its answer, the server has all that it opens for itself
            counts = [-1]
            while len(set(counts[-20:])) > 1 or len(counts) < 20:
                time.sleep(0.01)
                counts.append(self.sockets())
            self.idle.append(counts[-1])
        until(lambda: self.sockets() <= self.idle[0], seconds=30)
        return self.idle[0]

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10, (source, 0))

    def handles(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def sockets(self) -> int:
        """Open files that are connections; the video's comes and goes."""
        found = 0
        for handle in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found += str(handle.readlink()).startswith("socket:")
        return found

    def send(self, request: bytes, source: str = "127.0.0.1", seconds: float = 5) -> Answer:
        """What comes back for some bytes, until the end of the first answer or the connection."""
        with self.connect(source) as client:
            client.settimeout(seconds)
            client.sendall(request)
            return answer(client, head=request.startswith(b"HEAD"))

    def get(self, path: str = "/state", *headers: bytes, source: str = "127.0.0.1") -> Answer:
        lines = b"".join(line + b"\r\n" for line in headers)
        return self.send(b"GET %s HTTP/1.1\r\n" % path.encode() + ME + lines + b"\r\n", source)

    def stats(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.get().body)["stats"]
        return told


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def answer(client: socket.socket, head: bool = False) -> Answer:
    """One answer; of a stream without end the head alone."""
    with closing(http.client.HTTPResponse(client, method="HEAD" if head else "GET")) as read:
        read.begin()
        endless = "multipart" in read.headers.get("Content-Type", "")
        return Answer(read.status, read.headers, b"" if endless else read.read())


def write_video(path: Path) -> Path:
    with VideoSink(path, None) as video:
        for frame in pictures(5, size=(320, 240))():
            video.write(frame)
    return path


def start(video: Path, *arguments: str, before: str = SHORT) -> subprocess.Popen[str]:
    model = ["--model", str(MODELS / "fixed.onnx")]
    program = f"import sys\n{before}\n{MAIN}"
    return subprocess.Popen(
        [sys.executable, "-c", program, "live", str(video), "--port", "0", *model, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENCV_LOG_LEVEL": "SILENT"},
    )


def shown(process: subprocess.Popen[str]) -> Page:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r":(\d+)/", line)
    if not found:
        pytest.fail(f"{line}{process.communicate(timeout=10)}")
    assert process.stdout.readline() == "Ctrl-C ends it.\n"
    return Page(process, int(found[1]))


@contextmanager
def running(video: Path, *arguments: str) -> Iterator[Page]:
    """A page that has to end in order, and whatever it was sent must not have said a word."""
    process = start(video, *arguments)
    try:
        yield shown(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (130, "", "stopped\n")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("live") / "clip.mp4")


@pytest.fixture(scope="module")
def page(video: Path) -> Iterator[Page]:
    with running(video) as started:
        started.quiet()
        yield started


@pytest.fixture(scope="module")
def locked(video: Path) -> Iterator[Page]:
    with running(video, "--host", "0.0.0.0", "--token", TOKEN) as started:
        yield started


def cut_off_after(client: socket.socket, seconds: float) -> tuple[float, bytes]:
    """When the other side ends a connection, and what it said until then."""
    started, said = time.monotonic(), b""
    client.settimeout(seconds)
    try:
        while got := client.recv(65536):
            said += got
    except ConnectionError:
        pass
    return time.monotonic() - started, said


def dribbling(client: socket.socket, text: bytes, stop: threading.Event) -> None:
    """Sends a byte now and then."""
    for byte in text:
        try:
            client.sendall(bytes([byte]))
        except OSError:
            return
        if stop.wait(0.1):
            return


def outlast(page: Page, at_once: bytes, slowly: bytes, seconds: float) -> bytes:
    """What a client hears that sends slowly and without end; it has to be cut off in time."""
    stop = threading.Event()
    with page.connect() as client:
        client.sendall(at_once)
        sender = threading.Thread(target=dribbling, args=(client, slowly, stop))
        sender.start()
        try:
            took, said = cut_off_after(client, seconds + 5)
        finally:
            stop.set()
            sender.join()
    assert took < seconds
    return said


SLOW = [
    (b"", b"", b""),
    (b"", b"GET /state HTTP/1.1\r\nX: " + b"a" * 1000, b" 408 "),
    (b"GET /state HTTP/1.1\r\n", b"X: y\r\n" * 1000, b" 408 "),
    (b"GET /state HTTP/1.1\r\n" + ME + b"\r\n", b"", b" 200 "),
    (b"GET /state HTTP/1.1\r\n" + ME + b"\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 1000, b" 408 "),
    (
        b"POST /state HTTP/1.1\r\n" + ME + JSON + b"Content-Length: 4000\r\n\r\n",
        b"{" * 1000,
        b"",
    ),
    (b"GET /state HTTP/1.1\r\n" + ME + b"Content-Length: 4000\r\n\r\n", b"{" * 1000, b" 200 "),
    (
        b"GET /stream HTTP/1.1\r\n" + ME + b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n" * 1000,
        b" 200 ",
    ),
]


def test_who_sends_slowly_or_nothing_is_cut_off(page: Page) -> None:
    before = page.quiet()
    limit = 5 + REQUEST_S + 2  # between requests uvicorn waits 5 s
    with ThreadPoolExecutor(len(SLOW)) as clients:
        said = clients.map(lambda one: outlast(page, one[0], one[1], limit), SLOW)
        for (_, _, expected), heard in zip(SLOW, said, strict=True):
            assert expected in heard
            assert bool(expected) == bool(heard)
    until(lambda: page.sockets() <= before)


def test_a_request_that_comes_in_small_pieces_in_time_is_answered(page: Page) -> None:
    with page.connect() as client:
        for byte in b"GET /state HTTP/1.1\r\n" + ME + b"\r\n":
            client.sendall(bytes([byte]))
        assert answer(client).status == 200


def test_viewers_that_read_nothing_make_room(page: Page) -> None:
    before = page.quiet()
    with ExitStack() as opened:
        for _ in range(MAX_VIEWERS):
            viewer = opened.enter_context(socket.socket())
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            viewer.connect(("127.0.0.1", page.port))
            viewer.sendall(b"GET /stream HTTP/1.1\r\n" + ME + b"\r\n")
        until(lambda: page.stats()["viewers"] == MAX_VIEWERS)
        assert page.get("/stream").status == 503
        until(lambda: page.stats()["viewers"] == 0, seconds=30)
        assert page.get("/stream").status == 200
    until(lambda: page.sockets() <= before)


def test_snapshots_that_nobody_takes_are_thrown_away(page: Page) -> None:
    before = page.quiet()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", page.port))
        client.sendall((b"GET /snapshot.png HTTP/1.1\r\n" + ME + b"\r\n") * 100)
        until(lambda: page.sockets() > before)
        until(lambda: page.sockets() <= before, seconds=20)


def test_idle_connections_make_room_for_who_asks(page: Page) -> None:
    before = page.quiet()
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            opened.enter_context(page.connect()).sendall(b"GET")
        time.sleep(1.2)
        for _ in range(3):
            assert page.get().status == 200
    until(lambda: page.sockets() <= before)


def test_a_hundred_clients_at_once(page: Page) -> None:
    before = page.quiet()
    request = b"GET /state HTTP/1.1\r\n" + ME + b"Connection: close\r\n\r\n"
    with ExitStack() as opened:
        clients = []
        for _ in range(100):
            clients.append(opened.enter_context(page.connect()))
            clients[-1].sendall(request)
        answers = [answer(client) for client in clients]
    statuses = [one.status for one in answers]
    assert set(statuses) <= {200, 503}
    assert statuses[:40] == [200] * 40  # some places may still be held by the test before
    for one in answers:
        assert_headers(one)
    until(lambda: page.sockets() <= before)


def test_more_connections_than_open_files(page: Page) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * HANDLES + 64:
        pytest.skip("this process may not open enough itself")
    before = page.quiet()
    with ExitStack() as opened:
        for _ in range(2 * HANDLES):
            opened.enter_context(page.connect())
        assert page.handles() < HANDLES
        until(lambda: page.get().status == 200 if can_ask(page) else False)
    until(lambda: page.sockets() <= before)


def can_ask(page: Page) -> bool:
    """Whether the page answers at all; it may close what is too much at once."""
    try:
        return page.get().status > 0
    except (OSError, http.client.HTTPException):
        return False


def test_a_flood_of_requests_does_not_stop_the_video(page: Page) -> None:
    def ask(_: int) -> int:
        request = b"GET /snapshot.png HTTP/1.1\r\n" + ME + b"\r\n"
        with page.connect() as client:
            good = 0
            for _ in range(50):
                client.sendall(request)
                good += answer(client).status == 200
            return good

    frames = page.stats()["frames"]
    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(ask, range(8))) == 8 * 50
    until(lambda: page.stats()["frames"] > frames)


def assert_headers(one: Answer) -> None:
    assert {name: one.headers[name] for name in HEADERS} == HEADERS
    assert "Server" not in one.headers
    assert "Access-Control-Allow-Origin" not in one.headers


DOTS = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "..;"]
SLASHES = ["/", "%2f", "\\", "%5c", "%255c", "//"]


@pytest.mark.parametrize("target", ["etc/passwd", "server.py", "page/index.html"])
def test_no_file_of_the_machine_can_be_read(page: Page, target: str) -> None:
    paths = [f"/{slash.join([dots] * 6)}{slash}{target}" for dots in DOTS for slash in SLASHES]
    paths += [f"/{target}", f"//{target}", f"/state/../{target}", f"/%00/{target}", f"/{target}%00"]
    paths += [f"file:///{target}", f"/app.js%00/../{target}", f"/app.js/..%2f{target}", "/C:\\x"]
    paths += ["/app.js%00", "/index.html", "/app.js/", "/APP.JS", "/style.css%20", "/state/"]
    for path in paths:
        found = page.get(path)
        assert found.status == 404, path
        assert json.loads(found.body) == {"error": "Not Found"}
        assert_headers(found)


def test_a_path_of_16_kib_is_refused_and_a_long_one_is_not_found(page: Page) -> None:
    assert page.get("/" + "a" * 8000).status == 404
    assert page.get("/" + "a" * 70000).status == 400


@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png", "/app.js"])
@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 99]
)
def test_methods_that_are_not_offered(page: Page, method: str, path: str) -> None:
    secret = b"X-Secret: 123\r\n"
    found = page.send(f"{method} {path} HTTP/1.1\r\n".encode() + ME + secret + b"\r\n")
    assert found.status == 405
    assert b"123" not in found.body
    assert_headers(found)


@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png", "/nothing"])
def test_head_answers_without_a_body(page: Page, path: str) -> None:
    with page.connect() as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\n".encode() + ME + b"Connection: close\r\n\r\n")
        _, said = cut_off_after(client, 5)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404" if path == "/nothing" else b"HTTP/1.1 200")
    assert body == b""


MALFORMED = [
    b"\r\n" * 3 + b"\0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /state\r\n\r\n",
    b"GET /sta te HTTP/1.1\r\n" + ME + b"\r\n",
    b"GET /\xff HTTP/1.1\r\n" + ME + b"\r\n",
    b"GET /state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /state HTTP/1.1\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + ME + b"X y: z\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + ME + b"X: y\r\n: none\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + ME + b"X: a\0b\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + ME + b"X: " + b"a" * 70000 + b"\r\n\r\n",
    b"GET /state HTTP/1.1\r\n" + ME + b"X: y\r\n" * 20000,
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length: -1\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length: 2, 3\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length: +2\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length : 2\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    b"POST /state HTTP/1.1\r\n" + ME + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"HEAD /state HTTP/1.1\r\n" + ME + b"Content-Length: 2, 3\r\n\r\n",
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_what_is_not_http_is_refused_with_all_headers(page: Page, number: int) -> None:
    with page.connect() as client:
        client.sendall(MALFORMED[number])
        found = answer(client)
        assert found.status in {400, 413}
        assert json.loads(found.body)["error"]
        assert found.headers["Connection"] == "close"
        assert_headers(found)


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"\x0bchunked"])
def test_bodies_of_unknown_coding_are_refused(page: Page, coding: bytes) -> None:
    head = b"POST /state HTTP/1.1\r\n" + ME + JSON + b"Transfer-Encoding: " + coding
    assert page.send(head + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n").status == 400


@pytest.mark.parametrize("first", ["length", "coding"])
def test_no_second_request_hides_in_a_body(page: Page, first: str) -> None:
    lengths = [b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"]
    hidden = b"GET /nothing HTTP/1.1\r\n" + ME + b"\r\n"
    with page.connect() as client:
        client.sendall(
            b"POST /state HTTP/1.1\r\n" + ME + JSON
            + b"".join(lengths if first == "length" else lengths[::-1])
            + b"\r\n0\r\n\r\n" + hidden
        )  # fmt: skip
        _, said = cut_off_after(client, 5)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", [b"/state", b"/stream", b"/nothing"])
def test_a_body_that_breaks_after_the_answer_began_ends_the_connection(
    page: Page, path: bytes
) -> None:
    with page.connect() as client:
        client.sendall(
            b"GET " + path + b" HTTP/1.1\r\n" + ME + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        time.sleep(0.2)
        client.sendall(b"zz\r\n")
        took, said = cut_off_after(client, 5)
    assert took < 1
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_body_that_is_cut_short_is_nobodys_news(page: Page) -> None:
    for _ in range(3):
        with page.connect() as client:
            client.sendall(b"POST /state HTTP/1.1\r\n" + ME + JSON + b"Content-Length: 50\r\n\r\n{")
            time.sleep(0.1)
    assert page.get().status == 200


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9"])
def test_other_versions_are_refused(page: Page, version: bytes) -> None:
    found = page.send(b"GET /state " + version + b"\r\n" + ME + b"\r\n")
    assert found.status == 505
    assert_headers(found)


def test_old_clients_are_answered_and_let_go(page: Page) -> None:
    with page.connect() as client:
        client.sendall(b"GET /state HTTP/1.0\r\n" + ME + b"\r\n")
        took, said = cut_off_after(client, 5)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert took < 1
    assert page.send(b"GET /state HTTP/1.0\r\n\r\n").status == 421


def test_no_other_protocol_is_spoken(page: Page) -> None:
    upgrade = [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
    upgrade += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    assert page.get("/nothing", *upgrade).status == 404
    assert page.get("/state", *upgrade).status == 200
    assert page.get("/state", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c").status == 200


@pytest.mark.parametrize("end", ["%0d%0a", "%0a", "%0d", "%E5%98%8A%E5%98%8D"])
def test_no_header_can_be_slipped_in(page: Page, end: str) -> None:
    for path in ("/{}X-Evil:%20yes", "/state{}X-Evil:%20yes", "/?token={}X-Evil:%20yes"):
        found = page.get(path.format(end))
        assert "X-Evil" not in found.headers
        assert_headers(found)


def test_deeply_nested_json_is_refused(page: Page) -> None:
    for depth in (10, 500, *range(900, 1000, 5), 2000):
        body = b'{"smoothing":' + b"[" * depth + b"]" * depth + b"}"
        head = b"POST /state HTTP/1.1\r\n" + ME + JSON + b"Content-Length: %d\r\n\r\n" % len(body)
        assert page.send(head + body).status == 400


RIGHT = b"Authorization: Bearer " + TOKEN.encode()


def test_the_token_is_in_nothing_that_is_sent(locked: Page) -> None:
    found = locked.get(f"/?token={TOKEN}")
    assert found.status == 200
    assert_headers(found)
    assert TOKEN not in str(found.headers)
    assert TOKEN.encode() not in found.body
    cookie = found.headers["Set-Cookie"].partition(";")[0].encode()
    assert locked.get("/state", b"Cookie: " + cookie).status == 200
    for path in ("/app.js", "/style.css", "/state"):
        told = locked.get(path, RIGHT)
        assert told.status == 200
        assert TOKEN.encode() not in told.body
        assert "Set-Cookie" not in told.headers


def test_the_token_is_no_cookie(locked: Page) -> None:
    cookie = f"Cookie: fkd-live-{locked.port}={TOKEN}".encode()
    assert locked.get("/state", cookie).status == 401


def test_whoever_guesses_has_to_wait_and_nobody_else(locked: Page) -> None:
    guesser = "127.0.0.66"
    cookie = locked.get(f"/?token={TOKEN}", source=guesser).headers["Set-Cookie"].partition(";")[0]
    for number in range(MAX_WRONG_TOKENS):
        if number % 2:
            found = locked.get(f"/?token=guess-{number}", source=guesser)
        else:
            found = locked.get("/state", b"Authorization: Bearer %d" % number, source=guesser)
        assert found.status == 401
    for path, headers in ((f"/?token={TOKEN}", ()), ("/state", (RIGHT,)), ("/?token=x", ())):
        found = locked.get(path, *headers, source=guesser)
        assert found.status == 429
        assert 0 < int(found.headers["Retry-After"]) <= SECONDS_PER_RETRY
        assert "Set-Cookie" not in found.headers
        assert_headers(found)
    assert locked.get("/state", source=guesser).status == 401
    assert locked.get("/state", b"Cookie: " + cookie.encode(), source=guesser).status == 200
    assert locked.get("/state", RIGHT).status == 200


def test_tries_come_back_one_by_one() -> None:
    now = 0.0
    attempts = FailedAttempts(lambda: now)
    for _ in range(MAX_WRONG_TOKENS):
        assert attempts.wait("192.0.2.1") == 0
        attempts.count("192.0.2.1")
    assert attempts.wait("192.0.2.1") == SECONDS_PER_RETRY
    assert attempts.wait("192.0.2.2") == 0
    now = SECONDS_PER_RETRY
    assert attempts.wait("192.0.2.1") == 0
    attempts.count("192.0.2.1")
    assert attempts.wait("192.0.2.1") == pytest.approx(SECONDS_PER_RETRY)
    now = SECONDS_PER_RETRY * (MAX_WRONG_TOKENS + 5)
    assert attempts.wait("192.0.2.1") == 0


def test_a_network_of_ipv6_is_one_place_and_memory_is_bounded() -> None:
    attempts = FailedAttempts(lambda: 0.0)
    for number in range(MAX_WRONG_TOKENS):
        attempts.count(f"2001:db8::{number}%eth0")
    assert attempts.wait("2001:db8::ffff") > 0
    assert attempts.wait("2001:db8:0:1::1") == 0
    assert attempts.wait("::ffff:192.0.2.1") == 0
    for number in range(5000):
        attempts.count(f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._wrong) <= 1024


BROKEN = """
from fkd_infer.tracking import tracker as track
follow, frames = track.Tracker.__call__, 0
def breaking(self, frame):
    global frames
    frames += 1
    if frames == 20:
        raise {error}
    return follow(self, frame)
track.Tracker.__call__ = breaking
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("RuntimeError('broken\\nin two')", "RuntimeError: broken"),
        ("MemoryError", "MemoryError"),
        ("SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_detector_that_breaks_ends_the_page_in_a_line(video: Path, error: str, line: str) -> None:
    process = start(video, before=BROKEN.format(error=error))
    page = shown(process)
    with page.connect() as viewer:
        viewer.sendall(b"GET /stream HTTP/1.1\r\n" + ME + b"\r\n")
        _, said = cut_off_after(viewer, 20)
    assert b"image/jpeg" in said
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert err == (
        f"fkd-infer live: finding or drawing faces failed: {line}; "
        "the same with --debug shows where\n"
    )


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [Path.unlink, cut_in_half], ids=["deleted", "cut"])
def test_a_video_that_goes_away_ends_the_page_in_a_line(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    video = write_video(tmp_path / "clip.mp4")
    process = start(video)
    shown(process)
    harm(video)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"fkd-infer live: {video}: ")


@pytest.mark.parametrize(
    ("name", "told"),
    [(b"a\xffb.mp4", "a\ufffdb.mp4"), (b"a\n\x1b[31m.mp4", "a\ufffd\ufffd[31m.mp4")],
)
def test_a_name_that_is_no_text_is_told_as_far_as_it_is(
    video: Path, tmp_path: Path, name: bytes, told: str
) -> None:
    odd = tmp_path / os.fsdecode(name)
    try:
        odd.write_bytes(video.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such names")
    process = start(odd)
    try:
        page = shown(process)
        assert json.loads(page.get().body)["source"] == told
    finally:
        process.kill()
        process.communicate()


STARVED = """
import os, resource
from fkd_infer.live import server as live_server
run = live_server.LiveServer.run
def starved(self):
    number = os.dup(0)
    os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + 1, number + 1))
    run(self)
live_server.LiveServer.run = starved
"""


def test_a_machine_without_open_files_is_told(video: Path) -> None:
    process = start(video, before=STARVED)
    shown(process)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    # Python itself may add a word about its event loop, of which there is but a half.
    assert err.startswith("fkd-infer live: serving the page failed: OSError: [Errno 24] Too many")


CROWDED = """
import resource, threading
from pathlib import Path
from live_runner import pictures, playing
from fkd_infer.errors import LiveError

live = playing(pictures(None, size=(64, 48)))
threading.stack_size(1 << 28)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 27), -1))
try:
    with live:
        raise SystemExit("there was memory for two threads")
except LiveError as error:
    print(error)
print(threading.active_count())
"""


def test_a_machine_without_room_for_threads_keeps_none() -> None:
    """Memory for one stack is there, and for the second one not."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", CROWDED],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line, left = done.stdout.splitlines()
    assert line.startswith("starting threads failed: RuntimeError: can't start new thread")
    assert left == "1"
