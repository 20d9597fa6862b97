"""The live page's server: the page, the video as MJPEG, and a small JSON interface.

Each viewer is sent the newest picture when it has taken the last one, so nobody waits for a slow
one. Needs the extra `live` (Starlette and uvicorn).
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import resources
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fkd_infer.choices import DRAW_LAYERS, SMOOTHINGS
from fkd_infer.errors import LiveError
from fkd_infer.live.connection import CONNECTIONS, Connection
from fkd_infer.live.guard import HEADERS, Guard, is_everywhere
from fkd_infer.live.runner import DrawnFrame, LiveRunner, ViewSettings

MAX_VIEWERS = 16
"""Streams that are sent at once; more are refused."""
_BODY = 4096
"""Bytes that a request's body has at most."""
_PATIENCE = 5.0
"""Seconds in which a request's body has to be there."""
_AT_ONCE = 8
"""Connections that are accepted before the ones accepted last are looked at: what a flood can open
beyond the limit. As many as there are places wait in the system's queue."""
_FAREWELL = 1
"""Seconds after which, at the end, a viewer that takes nothing is cut off."""
_SENT_AHEAD = 256 * 1024
"""Bytes that the system may hold for a viewer: more would be old pictures."""
_ASSETS = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_BOUNDARY = "fkd-frame"


@dataclass(frozen=True)
class PageInfo:
    """What the page shows: the source's name, and the filters to choose from, by name."""

    source: str
    filters: Mapping[str, str]


def open_listener(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 is any free one. Raises LiveError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(host, port, error.strerror or str(error)) from error
    try:
        if os.name == "posix":  # elsewhere it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_AHEAD)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = "it is in use" if taken else error.strerror or str(error)
        raise _unusable(host, port, why) from error
    return listener


def _unusable(host: str, port: int, why: str) -> LiveError:
    """The error for an address at which no page can be served."""
    fix = "give another --port, or --port 0 for any"
    return LiveError(f"{host} port {port}", f"cannot be used: {why}", fix)


class LiveServer:
    """Serves what a LiveRunner shows on a bound socket, until `stop`, SIGINT or SIGTERM."""

    def __init__(
        self,
        live: LiveRunner,
        subject: PageInfo,
        listener: socket.socket,
        host: str,
        token: str | None,
    ) -> None:
        self._live, self._listener = live, listener
        self.port: int = listener.getsockname()[1]
        self._host, self._token = host, token
        self._desk = _Desk(live, subject)
        app = Guard(self._desk.application(), host, self.port, token)
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what strangers send is no news, and would fill a log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=list(HEADERS.items()),
            backlog=_AT_ONCE,
            timeout_graceful_shutdown=_FAREWELL,
        )
        self._server = _Server(config, self._desk)

    @property
    def url(self) -> str:
        """The page's address, with the token."""
        host = socket.gethostname() if is_everywhere(self._host) else self._host
        host = f"[{host}]" if ":" in host else host
        secret = "" if self._token is None else f"?token={self._token}"
        return f"http://{host}:{self.port}/{secret}"

    def run(self) -> None:
        """Serves; after SIGINT or SIGTERM in the main thread, raises what their handlers raise.

        Raises LiveError where the machine gives the server not what it needs.
        """
        self._live.on_end = self.stop
        if self._live.ended:
            self.stop()
        try:
            with asyncio.Runner() as runner:
                runner.run(self._server.serve(sockets=[self._listener]))
        except OSError as error:
            raise LiveError.of_fault("serving the page", error) from error
        finally:
            self._desk.close()
            self._listener.close()

    def stop(self) -> None:
        """Ends `run`, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Tells the desk when the loop begins and ends, so that endless answers end too."""

    def __init__(self, config: uvicorn.Config, desk: _Desk) -> None:
        super().__init__(config)
        self._desk = desk

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.open()
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(CONNECTIONS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.close()
        log = logging.getLogger("uvicorn.error")
        before = log.level
        # A viewer that takes nothing any more is cut off, which uvicorn logs as an error.
        log.setLevel(logging.CRITICAL)
        try:
            await super().shutdown(sockets)
        finally:
            log.setLevel(before)


class _Desk:
    """Answers requests; all but `ring` in the server's loop."""

    def __init__(self, live: LiveRunner, subject: PageInfo) -> None:
        self._live, self._subject = live, subject
        folder = resources.files("fkd_infer.live") / "page"
        self._assets = {
            path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _ASSETS.items()
        }
        self._viewers = 0
        self._closed = False
        self._rung = asyncio.Event()
        self._encodings: dict[Callable[[DrawnFrame], bytes], tuple[int, asyncio.Task[bytes]]] = {}

    def application(self) -> Starlette:
        """The routes."""
        application = Starlette(
            routes=[
                *(Route(path, self._asset) for path in self._assets),
                Route("/state", self._tell, methods=["GET"]),
                Route("/state", self._change, methods=["POST"]),
                Route("/stream", self._stream),
                Route("/snapshot.png", self._snapshot),
            ],
            exception_handlers={HTTPException: _refused},
        )
        application.router.redirect_slashes = False
        return application

    def open(self) -> None:
        """Listens to the frames."""
        loop = asyncio.get_running_loop()

        def ring() -> None:
            with suppress(RuntimeError):  # the loop was closed just now, and nobody listens
                loop.call_soon_threadsafe(self._ring)

        self._live.on_frame = ring

    def close(self) -> None:
        """Ends all streams."""
        self._live.on_frame = _nobody
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def _asset(self, request: Request) -> Response:
        content, kind = self._assets[request.url.path]
        return Response(content, media_type=kind)

    async def _tell(self, request: Request) -> Response:
        look, filters = self._live.settings, self._subject.filters
        return JSONResponse(
            {
                "source": self._subject.source,
                "look": asdict(look),
                "choices": {
                    "filters": [{"name": n, "title": t} for n, t in filters.items()],
                    "smoothing": list(SMOOTHINGS),
                    "layers": list(DRAW_LAYERS),
                },
                "stats": {**asdict(self._live.stats()), "viewers": self._viewers},
            }
        )

    async def _change(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, "send application/json")
        try:
            wanted = json.loads(await _body(request))
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, "that is not JSON") from error
        self._live.settings = _changed(self._live.settings, wanted, self._subject.filters)
        return await self._tell(request)

    async def _snapshot(self, request: Request) -> Response:
        shown = self._shown()
        name = f"fkd-{shown.number:06}.png"
        content = await self._encoded(DrawnFrame.png, shown)
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="image/png", headers=disposition)

    async def _stream(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        if self._viewers >= MAX_VIEWERS:
            raise HTTPException(503, f"{MAX_VIEWERS} viewers are watching already")
        return _Stream(self._pictures(), self._count)

    def _count(self, change: int) -> None:
        self._viewers += change

    def _shown(self) -> DrawnFrame:
        if self._live.newest is None:
            raise HTTPException(503, "there is no picture yet")
        return self._live.newest

    async def _pictures(self) -> AsyncIterator[bytes]:
        """Parts of the stream; each ends with the next boundary, since browsers wait for it."""
        yield f"--{_BOUNDARY}\r\n".encode()
        last = 0
        while not self._closed:
            rung, shown = self._rung, self._live.newest
            if shown is None or shown.number == last:
                await rung.wait()
                continue
            last = shown.number
            picture = await self._encoded(DrawnFrame.jpeg, shown)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
            yield head + picture + f"\r\n--{_BOUNDARY}\r\n".encode()
            # Returns when the viewer has taken the last part: only then the next is chosen.
            yield b""

    def _encoded(
        self, encode: Callable[[DrawnFrame], bytes], shown: DrawnFrame
    ) -> Awaitable[bytes]:
        """The picture, compressed once for all who ask."""
        number, task = self._encodings.get(encode, (0, None))
        if task is None or number != shown.number:
            task = asyncio.ensure_future(run_in_threadpool(encode, shown))
            self._encodings[encode] = (shown.number, task)
        return asyncio.shield(task)  # who leaves ends it for no other


class _Stream(StreamingResponse):
    """An endless answer, counted from when it begins to when the viewer has gone."""

    def __init__(self, parts: AsyncIterator[bytes], count: Callable[[int], None]) -> None:
        super().__init__(parts, media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(1)
        try:
            await super().__call__(scope, receive, send)
        except ClientDisconnect:
            return
        finally:
            self._count(-1)


async def _body(request: Request) -> bytes:
    """A small body, sent without delay."""
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _BODY:
                    raise HTTPException(413, f"at most {_BODY} bytes")
    except TimeoutError as error:
        raise HTTPException(408, "the request took too long") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the request was cut short") from error
    return body


def _changed(look: ViewSettings, wanted: Any, filters: Mapping[str, str]) -> ViewSettings:
    """The look with the wanted changes; whatever else they hold is refused."""
    choices = {"filters": tuple(filters), "layers": DRAW_LAYERS, "smoothing": SMOOTHINGS}
    if not isinstance(wanted, dict):
        raise HTTPException(400, f"send an object with any of: {', '.join(choices)}")
    changes: dict[str, Any] = {}
    for name, value in wanted.items():
        if name not in choices:
            raise HTTPException(400, f"unknown field {name!r}; there are: {', '.join(choices)}")
        known = choices[name]
        if name == "smoothing":
            _check(name, value, known)
            changes[name] = value
            continue
        if not isinstance(value, list):
            raise HTTPException(400, f"{name} is a list of names")
        for one in value:
            _check(name, one, known)
        changes[name] = tuple(choice for choice in known if choice in value)
    return replace(look, **changes)


def _check(name: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        there = ", ".join(known) or "none"
        raise HTTPException(400, f"{name}: unknown value {str(value)[:80]!r}; there are: {there}")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _nobody() -> None:
    """For nobody who listens."""
