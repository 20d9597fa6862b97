"""One connection of the live page's server: how long it may take, and what is no request at all.

uvicorn reads and answers; this adds limits of time, so that clients which send or take too slowly
hold neither a place nor memory, and room for new ones where all places are held by idle ones.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import JSONResponse
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

CONNECTIONS = 64
"""Connections that have a place; whoever comes then is told to come again (503)."""
REQUEST_S = 10.0
"""Seconds in which a whole request has to come, from the connection or the last answer on."""
TAKEN_S = 20.0
"""Seconds in which a client takes a slice of what waits for it, or is cut off."""
_SLICE = 64 * 1024
_REST_S = 2.0
"""Seconds in which the rest of a body that nobody wanted is read and thrown away. To close at
once could lose the answer."""
_SETTLED_S = 1.0
"""Seconds for which a new connection keeps its place without a request."""
_AT_MOST = 2 * CONNECTIONS
"""Connections beyond which new ones are closed at once."""
_PART = 16 * 1024
_TICK_S = 0.5


_FULL = JSONResponse(
    {"error": f"{CONNECTIONS} connections are open already"},
    503,
    {"Connection": "close", "Retry-After": "5"},
)


class Connection(H11Protocol):
    """uvicorn's protocol of HTTP/1.1 with limits."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._since = self._taken = self.loop.time()
        self._held = 0
        self._tick: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a place, or that of who has kept one idle longest."""
        super().connection_made(transport)
        self._since = self._taken = self.loop.time()
        self._make_room()
        self._tick = self.loop.call_later(_TICK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the looking."""
        super().connection_lost(exc)
        if self._tick is not None:
            self._tick.cancel()

    def data_received(self, data: bytes) -> None:
        """Takes it in parts: in one, a head of any size would be whole, and no limit reached."""
        for start in range(0, len(data), _PART):
            if not self.transport.is_closing():
                super().data_received(data[start : start + _PART])

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        self._since = self.loop.time()
        super().on_response_complete()

    def resume_writing(self) -> None:
        """Notes that what waited was taken."""
        super().resume_writing()
        self._note_taken()

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP; in the middle of an answer there is nothing more to say."""
        self._refuse(400, "that is not a request of HTTP/1.1")

    def _make_room(self) -> None:
        now = self.loop.time()
        idle = [c for c in self.connections if isinstance(c, Connection) and c._is_idle(now)]
        idle.sort(key=lambda connection: connection._since)
        while len(self.connections) > CONNECTIONS and idle:
            idle.pop(0)._drop()
        if len(self.connections) > _AT_MOST:
            self._drop()
        elif len(self.connections) > CONNECTIONS:
            self.app = _FULL

    def _drop(self) -> None:
        self.connections.discard(self)
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_idle(self, now: float) -> bool:
        """Whether it has kept a place for a while without a request."""
        return not self._is_answering() and now - self._since > _SETTLED_S

    def _look(self) -> None:
        """Ends what takes too long."""
        self._tick = self.loop.call_later(_TICK_S, self._look)
        now = self.loop.time()
        left = self.transport.get_write_buffer_size()
        self._held = max(self._held, left)
        if left == 0 or self._held - left >= _SLICE:
            self._note_taken()
        if now - self._taken > TAKEN_S:
            self.transport.abort()
        elif not self.transport.is_closing() and self._is_late(now):
            if self._is_answering() or not self.conn.trailing_data[0]:
                self.transport.abort()
            else:
                self._refuse(408, "the request took too long")

    def _note_taken(self) -> None:
        self._held, self._taken = self.transport.get_write_buffer_size(), self.loop.time()

    def _is_late(self, now: float) -> bool:
        """Whether a request has not come, or not whole, for too long."""
        state = self.conn.their_state
        if state not in (h11.IDLE, h11.SEND_BODY):
            return False
        answered = state is h11.SEND_BODY and not self._is_answering()
        return now - self._since > (_REST_S if answered else REQUEST_S)

    def _refuse(self, status: int, why: str) -> None:
        """Answers in the application's place, where no answer has begun, and closes."""
        state = self.conn.our_state
        if state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort() if state is h11.SEND_BODY else self.transport.close()
            return
        asked = state is h11.SEND_RESPONSE
        if asked:  # the application answers nobody any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = json.dumps({"error": why}).encode()
        headers = [
            *self.config.encoded_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase),
            h11.Data(data=b"" if asked and self.scope["method"] == "HEAD" else body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
