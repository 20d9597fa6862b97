"""Serves the live page with uvicorn. Needs the extra `live`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
import uvicorn
from starlette.middleware import Middleware

from fkd_infer.errors import LiveError
from fkd_infer.live.access.addresses import machine_addresses
from fkd_infer.live.access.guard import Guard, security_headers
from fkd_infer.live.access.hosts import is_any_address
from fkd_infer.live.page_app import PageApp
from fkd_infer.live.recorder import Recorder
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.state import PageInfo
from fkd_infer.live.stream import FrameFeed

MAX_CONNECTIONS = 64
"""Open connections; requests on more are answered with 503."""
MAX_HEAD_BYTES = 16 * 1024
"""Bytes of a request's head that uvicorn buffers while it is incomplete."""
KEEP_ALIVE_S = 5
"""Seconds after an answer for which an idle connection stays open."""
_STOP_TIMEOUT_S = 1
"""Seconds for which the server waits for viewers when it stops."""


class LiveServer:
    """Serves a LiveRunner's frames on a bound socket, until `stop`, SIGINT or SIGTERM."""

    def __init__(
        self,
        live: LiveRunner,
        info: PageInfo,
        listener: socket.socket,
        host: str,
        token: str | None,
    ) -> None:
        self._live, self._listener = live, listener
        self.port: int = listener.getsockname()[1]
        self._host, self._token = host, token
        self._feed, self._recorder = FrameFeed(live), Recorder()
        app = PageApp(live, info, self._feed, self._recorder, lambda: self._server.should_exit)
        guard = Middleware(Guard, host=host, port=self.port, token=token)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app.build(guard),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # clients could fill a log; PageApp logs its own failures
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=list(security_headers().items()),
                backlog=MAX_CONNECTIONS,
                limit_concurrency=MAX_CONNECTIONS + 1,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=_STOP_TIMEOUT_S,
            )
        )

    @property
    def urls(self) -> list[str]:
        """The addresses of the page, with the token; the likeliest to be reached first."""
        any_address = is_any_address(self._host)
        hosts = machine_addresses(self._listener) if any_address else [self._host]
        return [self._url(host) for host in hosts]

    def _url(self, host: str) -> str:
        host = f"[{host}]" if ":" in host else host
        query = "" if self._token is None else f"?token={self._token}"
        return f"http://{host}:{self.port}/{query}"

    def run(self) -> None:
        """Serves the page; after SIGINT or SIGTERM in the main thread, calls their handlers.

        Raises LiveError if the machine lacks a resource that the server needs.
        """
        self._live.on_end = self.stop
        self._live.on_frame.append(self._recorder.add)
        if self._live.ended:
            self.stop()
        try:
            with self._recorder, asyncio.Runner() as runner:
                runner.run(self._serve())
        except OSError as error:
            raise LiveError.of_fault("serving the page", error) from error
        finally:
            self._listener.close()

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_handle_loop_error)
        self._feed.open()
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Ends `run`, from any thread."""
        self._server.should_exit = True


def _handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs errors of the event loop, but for those that any client can cause.

    uvicorn fails with h11.LocalProtocolError where a body turns invalid after its answer has begun.
    """
    if not isinstance(context.get("exception"), h11.LocalProtocolError):
        loop.default_exception_handler(context)
