"""The server of the page: its files and nothing else, with their headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from built_page import FILES, write_built_page

from fkd_infer.live.access.listener import open_listener
from fkd_infer.web.page import WebPage
from fkd_infer.web.server import WebServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "secret.txt").write_text("secret")
    page = WebPage.open(write_built_page(folder / "page"))
    with WebServer(page, open_listener("127.0.0.1", 0), "127.0.0.1") as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: WebServer, path: str, method: str = "GET", host: str = "localhost"
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.socket.getsockname()[1], timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "file", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/?installed", "index.html", "text/html; charset=utf-8"),
        ("/assets/main-1a.js", "assets/main-1a.js", "text/javascript"),
        ("/assets/ort-2b.wasm", "assets/ort-2b.wasm", "application/wasm"),
        ("/models/landmarks.onnx", "models/landmarks.onnx", "application/octet-stream"),
    ],
)
def test_files_of_the_page_are_served(path: str, file: str, kind: str, server: WebServer) -> None:
    answer, body = ask(server, path)
    assert (answer.status, answer.headers["Content-Type"], body) == (200, kind, FILES[file])
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/../../secret.txt",
        "//etc/passwd",
        "/_headers",
        "/assets/",
        "/service-worker.js",
        "/precache.js",
    ],
)
def test_nothing_else_is_served(path: str, server: WebServer) -> None:
    answer, body = ask(server, path)
    assert (answer.status, body) == (404, b"not found")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


def test_a_head_has_no_body(server: WebServer) -> None:
    answer, body = ask(server, "/", method="HEAD")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(FILES["index.html"]))


def test_other_methods_are_refused(server: WebServer) -> None:
    assert ask(server, "/", method="POST")[0].status == 501


def test_another_name_of_this_machine_is_refused(server: WebServer) -> None:
    assert ask(server, "/", host="evil.example")[0].status == 421


def test_the_page_of_all_addresses_is_named_by_one(tmp_path: Path) -> None:
    page = WebPage.open(write_built_page(tmp_path / "page"))
    with open_listener("0.0.0.0", 0) as listener, WebServer(page, listener, "0.0.0.0") as server:
        assert server.urls
        assert all("0.0.0.0" not in url for url in server.urls)
