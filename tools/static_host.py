"""Serves a folder of files to browsers, for tests and measurements."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


@dataclass
class Host:
    """A running host, and the paths that browsers have asked it for."""

    address: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve(folder: Path, isolated: bool) -> Iterator[Host]:
    """Serves a folder until the end of the block.

    `isolated` says whether it sends the headers that isolate a page from other origins, so that
    WebAssembly has threads; without them it is a plain host of files.
    """
    host = Host("")
    headers = _ISOLATION if isolated else {}
    handler = partial(_Handler, directory=str(folder), host=host, headers=headers)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    host.address = f"http://localhost:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *arguments: Any, host: Host, headers: dict[str, str], **rest: Any) -> None:
        self._host, self._headers = host, headers
        super().__init__(*arguments, **rest)

    def do_GET(self) -> None:
        self._host.asked.append(self.path)
        super().do_GET()

    def end_headers(self) -> None:
        for name, value in self._headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
