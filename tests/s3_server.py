"""An S3 server on this machine, which can be told to fail requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Fault = Callable[[Environ], str | None]
"""Chooses what becomes of a request: None, an error code of S3, "cut" or "wait"."""

_STATUS = {
    "SlowDown": "503 Slow Down",
    "InvalidAccessKeyId": "403 Forbidden",
    "AccessDenied": "403 Forbidden",
}


_used: list[str] = []


@dataclass
class S3Server:
    """Its address, its requests, and how it fails them."""

    url: str = ""
    fault: Fault = lambda _: None
    requests: list[tuple[str, str]] = field(default_factory=list)
    wait: Callable[[], object] = lambda: None

    def environ(self) -> dict[str, str]:
        """Variables by which programs use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def application(self, real: Any) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
        """A WSGI application before the real one."""

        def app(environ: Environ, start: StartResponse) -> Iterable[bytes]:
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            fault = self.fault(environ)
            if fault in _STATUS:
                start(_STATUS[fault], [("Content-Type", "application/xml")])
                body = f"<Error><Code>{fault}</Code><Message>as told</Message></Error>"
                return [body.encode()]
            if fault == "wait":
                self.wait()
            answer: Iterable[bytes] = real(environ, start)
            return [b"".join(answer)[:100]] if fault == "cut" else answer

        return app


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Yields a server with an empty bucket, bucket."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: object) -> None: ...

    state = S3Server()
    app = state.application(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets this process use the server, with an empty bucket; returns its file system."""
    import s3fs

    for name, value in server.environ().items():
        monkeypatch.setenv(name, value)
    if _used[-1:] != [server.url]:  # a client takes seconds to make
        s3fs.S3FileSystem.clear_instance_cache()
        _used.append(server.url)
    system = s3fs.S3FileSystem(use_listings_cache=False)
    if system.exists("bucket"):
        system.rm("bucket", recursive=True)
    system.mkdir("bucket")
    server.requests.clear()
    return system
