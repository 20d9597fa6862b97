"""Frames for viewers: a feed of the newest one, and a response of MJPEG that never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.view import DrawnFrame

BOUNDARY = "fkd-frame"
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
SEND_TIMEOUT_S = 20.0
"""Seconds after which a viewer that reads nothing is disconnected."""
_CHECK_S = 0.5
"""Seconds between checks whether the server stops, while no frame arrives."""


class FrameFeed:
    """Brings a runner's frames to the server's event loop, in which all methods are called."""

    def __init__(self, live: LiveRunner) -> None:
        self._live = live
        self._arrived = asyncio.Event()
        self._encodings: dict[Callable[[DrawnFrame], bytes], tuple[int, asyncio.Task[bytes]]] = {}

    def open(self) -> None:
        """Subscribes the running event loop to the runner's frames."""
        loop = asyncio.get_running_loop()

        def notify(_: DrawnFrame) -> None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self.wake)

        self._live.on_frame.append(notify)

    def wake(self) -> None:
        """Wakes everything that waits for a frame."""
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    @property
    def newest(self) -> DrawnFrame | None:
        """The newest frame."""
        return self._live.newest

    async def next_after(self, number: int) -> DrawnFrame | None:
        """Returns the newest frame if it is not this one; otherwise waits, and returns None."""
        arrived, frame = self._arrived, self.newest
        if frame is not None and frame.number != number:
            return frame
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_S):
                await arrived.wait()
        return None

    def encode(
        self, encoding: Callable[[DrawnFrame], bytes], frame: DrawnFrame
    ) -> Awaitable[bytes]:
        """Encodes a frame, once for all requests."""
        number, task = self._encodings.get(encoding, (0, None))
        if task is None or number != frame.number:
            task = asyncio.ensure_future(run_in_threadpool(encoding, frame))
            self._encodings[encoding] = (frame.number, task)
        return asyncio.shield(task)  # a viewer that leaves cancels it for no other


async def mjpeg_parts(feed: FrameFeed, is_stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yields the parts of a stream, each with the boundary after it, which browsers wait for."""
    yield f"--{BOUNDARY}\r\n".encode()
    number = 0
    while not is_stopping():
        frame = await feed.next_after(number)
        if frame is None:
            continue
        number = frame.number
        picture = await feed.encode(DrawnFrame.jpeg, frame)
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
        yield head + picture + f"\r\n--{BOUNDARY}\r\n".encode()
        # Sent once the viewer has read the last part: only then is the next frame chosen.
        yield b""


class MjpegResponse(StreamingResponse):
    """A stream that counts its viewer, and ends when the viewer leaves or reads nothing."""

    def __init__(self, parts: AsyncIterator[bytes], count: Callable[[int], None]) -> None:
        super().__init__(parts, media_type=MEDIA_TYPE)
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send(message)

        self._count(1)
        try:
            await super().__call__(scope, receive, send_in_time)
        except (ClientDisconnect, TimeoutError):
            return
        finally:
            self._count(-1)
