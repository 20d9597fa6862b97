"""Downloads from memory, or from a local server."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from http.client import IncompleteRead, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import pytest

from fkd_infer.errors import DownloadError, OutputError
from fkd_infer.system.files import download
from fkd_infer.system.files.download import RemoteFile, fetch

CONTENT = bytes(range(256)) * 1000
REMOTE = RemoteFile(
    "https://example.org/files/a.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "a.bin"
)
FIX = "download it by hand"


class Breaking(io.BytesIO):
    """A response that ends with an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(CONTENT)
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise self.error
        return super().read(size)


class Endless(io.BytesIO):
    """A response without an end; counts the bytes that were read."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        self.bytes_read += size
        return bytes(size)


class Network:
    """Replaces urlopen, and records requests and responses."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answer: Callable[[], io.BytesIO] = lambda: io.BytesIO(CONTENT)
        self.responses: list[io.BytesIO] = []

    def __call__(self, url: str, timeout: float) -> io.BytesIO:
        assert timeout > 0
        self.requests.append(url)
        self.responses.append(self.answer())
        return self.responses[-1]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(download, "urlopen", network)
    return network


def cached_files(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file()]


def raising(error: Exception) -> Callable[[], io.BytesIO]:
    def answer() -> io.BytesIO:
        raise error

    return answer


def test_caches_the_right_file_and_fetches_it_once(network: Network, cache: Path) -> None:
    for _ in range(2):
        path = fetch(REMOTE, FIX)
        assert path == REMOTE.path
        assert path.read_bytes() == CONTENT
    assert path.is_relative_to(cache)
    assert network.requests == [REMOTE.url]
    assert network.responses[0].closed
    assert cached_files(cache) == ["a.bin"]


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], CONTENT + b"x", b"\1" + CONTENT[1:]])
def test_fetches_a_damaged_file_again(network: Network, damaged: bytes) -> None:
    REMOTE.path.parent.mkdir(parents=True)
    REMOTE.path.write_bytes(damaged)
    assert fetch(REMOTE, FIX).read_bytes() == CONTENT
    assert len(network.requests) == 1


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[::-1], CONTENT + b"x", b"<html>"])
def test_reports_another_file_and_does_not_cache_it(
    network: Network, cache: Path, content: bytes
) -> None:
    network.answer = lambda: io.BytesIO(content)
    with pytest.raises(DownloadError, match="sha256") as caught:
        fetch(REMOTE, FIX)
    message = str(caught.value)
    assert message.startswith(REMOTE.url)
    assert message.endswith(FIX)
    assert cached_files(cache) == []


def test_reads_no_more_than_the_files_size(network: Network, cache: Path) -> None:
    endless = Endless()
    network.answer = lambda: endless
    with pytest.raises(DownloadError, match="sha256"):
        fetch(REMOTE, FIX)
    assert endless.bytes_read == len(CONTENT) + 1
    assert cached_files(cache) == []


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
        IncompleteRead(b"x", 5),
        RemoteDisconnected("Remote end closed connection"),
    ],
)
@pytest.mark.parametrize("when", ["at first", "in the middle"])
def test_reports_a_network_failure(
    network: Network, cache: Path, error: Exception, when: str
) -> None:
    network.answer = raising(error) if when == "at first" else lambda: Breaking(error)
    with pytest.raises(DownloadError) as caught:
        fetch(REMOTE, FIX)
    message = str(caught.value)
    assert message.startswith(f"{REMOTE.url}: cannot be fetched (")
    assert message.endswith(f"; {FIX}")
    assert "cannot be written" not in message
    assert "\n" not in message
    assert cached_files(cache) == []


def test_a_failed_download_leaves_the_old_file(network: Network) -> None:
    REMOTE.path.parent.mkdir(parents=True)
    REMOTE.path.write_bytes(b"old")
    network.answer = raising(URLError("no network"))
    with pytest.raises(DownloadError):
        fetch(REMOTE, FIX)
    assert REMOTE.path.read_bytes() == b"old"


def test_reports_a_cache_that_cannot_be_written(network: Network, cache: Path) -> None:
    cache.write_text("a file in the way")
    with pytest.raises(OutputError, match=r"a\.bin: cannot be written"):
        fetch(REMOTE, FIX)
    assert network.requests == []


def test_reports_a_full_disk(
    network: Network, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        fetch(REMOTE, FIX)
    assert cached_files(cache) == []


def test_a_user_without_a_home_is_asked_to_set_the_cache(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FKD_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OutputError, match=r"FKD_CACHE: .*home directory"):
        fetch(REMOTE, FIX)


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/passwd", "ftp://a/b"])
def test_refuses_all_but_https(url: str) -> None:
    with pytest.raises(ValueError, match="only https"):
        RemoteFile(url, "", 1, "a")


class Redirecting(HTTPServer):
    """Answers /file with a file, /nothing with an error, and sends all others to `target`."""

    target = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Redirecting

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/nothing":
            self.send_error(404)
            return
        if self.path == "/file":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
            return
        self.send_response(302)
        self.send_header("Location", self.server.target)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Standard error is pytest's."""


@pytest.fixture
def server() -> Iterator[Redirecting]:
    with Redirecting() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remote_at(url: str) -> RemoteFile:
    """Returns a file at an http address; the server of these tests has no certificate."""
    remote = RemoteFile(REMOTE.url, REMOTE.sha256, REMOTE.size, REMOTE.name)
    object.__setattr__(remote, "url", url)
    return remote


def test_downloads_from_a_server(server: Redirecting) -> None:
    assert fetch(remote_at(f"{server.url}/file"), FIX).read_bytes() == CONTENT


def test_reports_an_http_error(server: Redirecting, cache: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be fetched \(HTTP Error 404"):
        fetch(remote_at(f"{server.url}/nothing"), FIX)
    assert cached_files(cache) == []


@pytest.mark.parametrize(
    "target", ["{url}/file", "http://127.0.0.1:9/file", "file:///etc/passwd", "ftp://127.0.0.1/a"]
)
def test_refuses_redirects_to_all_but_https(server: Redirecting, cache: Path, target: str) -> None:
    server.target = target.format(url=server.url)
    with pytest.raises(DownloadError, match=r"cannot be fetched") as caught:
        fetch(remote_at(f"{server.url}/elsewhere"), FIX)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(FIX)
    if target.startswith(("http", "ftp", "{")):
        assert "only https is allowed" in message
    assert server.asked == ["/elsewhere"]
    assert cached_files(cache) == []


def test_follows_a_redirect_to_https(server: Redirecting, cache: Path) -> None:
    # The server speaks no TLS: the failed handshake shows that the redirect was followed.
    server.target = f"https://127.0.0.1:{server.server_port}/file"
    with pytest.raises(DownloadError, match="SSL"):
        fetch(remote_at(f"{server.url}/elsewhere"), FIX)
    assert cached_files(cache) == []
