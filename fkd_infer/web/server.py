"""Serves a WebPage. Only its files can be asked for; nothing is written, and nothing logged."""

from __future__ import annotations

import mimetypes
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from fkd_infer.live.access.hosts import is_any_address, is_own_name
from fkd_infer.web.page import WebPage

_SECONDS = 30
"""A client that says nothing for this long is disconnected."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".onnx": "application/octet-stream",
}
_NOT_SERVED = {"service-worker.js", "precache.js"}
"""A stored page would show the network of an earlier command."""


class WebServer(ThreadingHTTPServer):
    """Serves a page on a bound socket, until `shutdown` or a signal."""

    daemon_threads = True

    def __init__(self, page: WebPage, listener: socket.socket, host: str) -> None:
        self.page, self.bound_host = page, host
        self.address_family = listener.family
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.contents = {f"/{path}": path for path in page.paths if path not in _NOT_SERVED}
        self.contents["/"] = "index.html"

    @property
    def urls(self) -> list[str]:
        """The page's addresses, the likeliest to be reached first."""
        port = self.socket.getsockname()[1]
        hosts = [f"[{host}]" if ":" in host else host for host in self._hosts()]
        return [f"http://{host}:{port}/" for host in hosts]

    def _hosts(self) -> list[str]:
        if not is_any_address(self.bound_host):
            return [self.bound_host]
        try:
            from fkd_infer.live.access.addresses import machine_addresses
        except ModuleNotFoundError:  # psutil, of the extra "live", lists the interfaces
            return ["localhost"]
        return machine_addresses(self.socket)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leaves clients alone that went away; other errors are printed."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        path = self.server.contents.get(unquote(urlsplit(self.path).path))
        if not is_own_name(self.headers.get("Host", ""), self.server.bound_host):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"another host", with_body)
        elif path is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found", with_body)
        else:
            self._send(HTTPStatus.OK, _type_of(path), self.server.page.read(path), with_body)

    def _send(self, status: HTTPStatus, kind: str, body: bytes, with_body: bool) -> None:
        self.send_response(status)
        for name, value in self.server.page.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def version_string(self) -> str:
        return "fkd"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the page's visitors need no log."""


def _type_of(path: str) -> str:
    suffix = f".{path.rpartition('.')[2]}"
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
