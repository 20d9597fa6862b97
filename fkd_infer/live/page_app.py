"""The live page as an ASGI application: its files, its state, the video, pictures, recordings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from fkd_infer.errors import LiveError
from fkd_infer.live.recorder import Recorder
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.state import PageInfo, read_json, state_of, wants_recording, with_changes
from fkd_infer.live.stream import MEDIA_TYPE, FrameFeed, MjpegResponse, mjpeg_parts
from fkd_infer.live.view import DrawnFrame

MAX_VIEWERS = 16
"""Streams at once; further ones are refused."""
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FILES = ("app.js", "controls.js", "server.js", "theme.css", "style.css", "icon.svg")
"""Files of the page beside index.html, which is `/`."""
_logger = logging.getLogger(__name__)


class PageApp:
    """Answers the requests of a live page; all methods run in the server's event loop."""

    def __init__(
        self,
        live: LiveRunner,
        info: PageInfo,
        feed: FrameFeed,
        recorder: Recorder,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._live, self._info, self._feed = live, info, feed
        self._recorder, self._is_stopping = recorder, is_stopping
        folder = resources.files("fkd_infer.live") / "page"
        self._assets = {
            f"/{name}": ((folder / name).read_bytes(), _KINDS[Path(name).suffix]) for name in _FILES
        }
        self._assets["/"] = ((folder / "index.html").read_bytes(), "text/html")
        self._viewers = 0

    def build(self, guard: Middleware) -> Starlette:
        """The application behind a guard."""
        app = Starlette(
            routes=[
                *(Route(path, self._get_asset) for path in self._assets),
                Route("/state", self._get_state, methods=["GET"]),
                Route("/state", self._post_state, methods=["POST"]),
                Route("/stream", self._get_stream),
                Route("/snapshot.png", self._get_snapshot),
                Route("/recording", self._post_recording, methods=["POST"]),
                Route("/recording.mp4", self._get_recording),
            ],
            middleware=[guard],
            exception_handlers={HTTPException: _answer_refusal, Exception: _answer_failure},
        )
        app.router.redirect_slashes = False
        return app

    async def _get_asset(self, request: Request) -> Response:
        content, kind = self._assets[request.url.path]
        return Response(content, media_type=kind)

    async def _get_state(self, request: Request) -> Response:
        recording = self._recorder.state
        return JSONResponse(state_of(self._live, self._info, recording, self._viewers))

    async def _post_state(self, request: Request) -> Response:
        changes = await read_json(request)
        self._live.settings = with_changes(self._live.settings, changes, self._info)
        return await self._get_state(request)

    async def _get_snapshot(self, request: Request) -> Response:
        frame = self._shown_frame()
        content = await self._feed.encode(DrawnFrame.png, frame)
        headers = {"Content-Disposition": f'attachment; filename="fkd-{frame.number:06}.png"'}
        return Response(content, media_type="image/png", headers=headers)

    async def _post_recording(self, request: Request) -> Response:
        if wants_recording(await read_json(request)):
            try:
                self._recorder.start(self._shown_frame())
            except LiveError as error:
                raise HTTPException(409, str(error)) from error
        else:
            self._recorder.stop()
        return await self._get_state(request)

    async def _get_recording(self, request: Request) -> Response:
        file = self._recorder.file
        if file is None:
            raise HTTPException(404, "there is no recording yet")
        name = datetime.now().strftime("fkd-%Y%m%d-%H%M%S.mp4")
        return FileResponse(file, media_type="video/mp4", filename=name)

    def _shown_frame(self) -> DrawnFrame:
        frame = self._feed.newest
        if frame is None:
            raise HTTPException(503, "there is no picture yet")
        return frame

    async def _get_stream(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=MEDIA_TYPE)
        if self._viewers >= MAX_VIEWERS:
            raise HTTPException(503, f"{MAX_VIEWERS} viewers are watching already")
        return MjpegResponse(mjpeg_parts(self._feed, self._is_stopping), self._count_viewer)

    def _count_viewer(self, change: int) -> None:
        self._viewers += change


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _answer_failure(request: Request, error: Exception) -> Response:
    """Logs a defect of the page, which uvicorn does not."""
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the page failed; its program shows why"}, 500)
