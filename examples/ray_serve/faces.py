"""Faces of images over HTTP, by Ray Serve: `serve run faces:app`."""

# Without `from __future__ import annotations`: Serve reads the annotation of `app` as an object.

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2
import numpy as np
from pydantic import BaseModel, Field
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

import fkd_infer

LIMITS = fkd_infer.Limits(pixels=50_000_000, memory=2 << 30)
"""Of an image: 50 megapixels, and what decoding it may need."""
MAX_BYTES = 32 << 20
"""Of a request's body."""
BATCH, WAIT_S = 16, 0.005
"""A batch has at most BATCH images, and waits at most WAIT_S seconds for them."""
BLANK = np.zeros((64, 64, 3), np.uint8)
T = TypeVar("T")


class Settings(BaseModel, extra="forbid"):
    """Arguments of the application: `serve run faces:app threads=2`."""

    model: str = "fkdnet"
    threads: int = Field(1, ge=1)  # of each replica, which reserves as many CPUs
    replicas: int = Field(1, ge=1)
    max_replicas: int | None = Field(None, ge=1)  # with it, as many as the load needs


@serve.deployment(max_ongoing_requests=4 * BATCH, max_queued_requests=16 * BATCH)
class Faces:
    """Answers POST with the faces of the image in the body; a replica loads the models once."""

    def __init__(self, model: str, threads: int) -> None:
        cv2.setNumThreads(1)  # each thread has an image of its own
        self.threads = threads
        self.executor = ThreadPoolExecutor(threads)
        self.pipeline = fkd_infer.load(model, threads=1, tuned=False)
        self.check_health()

    async def __call__(self, request: Request) -> Response:
        """The record of an image as in docs/reference/formats.md, or 4xx with one line."""
        if request.method != "POST":
            return text(405, "POST an image; its bytes are the body")
        if (body := await read_body(request)) is None:
            return text(413, f"the image has more than {MAX_BYTES >> 20} MiB")
        try:
            image = await self.in_thread(lambda: fkd_infer.read_image(body, LIMITS))
        except (fkd_infer.errors.LimitError, fkd_infer.errors.SourceMemoryError) as error:
            return text(413, error.without_fix)
        except fkd_infer.errors.UnreadableImageError as error:
            return text(400, error.without_fix)
        faces = await self.find(image)
        frame = fkd_infer.Frame(image, request.query_params.get("source", ""))
        return JSONResponse(fkd_infer.frame_record(frame, faces))

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_S)
    async def find(self, images: Sequence[Any]) -> list[list[fkd_infer.Face]]:
        """The faces of the images of all requests that wait."""
        return await self.in_thread(lambda: [*self.pipeline.many(images, self.threads)])

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Runs what would block the event loop in one of the replica's threads."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)

    def check_health(self) -> None:
        """Runs both networks; Serve replaces a replica that fails."""
        self.pipeline.landmarks(BLANK, [[0, 0, 64, 64]])
        self.pipeline(BLANK)


def app(settings: Settings) -> serve.Application:
    """The application that Serve runs."""
    scale: dict[str, Any] = {"num_replicas": settings.replicas}
    if settings.max_replicas is not None:
        bounds = {"min_replicas": settings.replicas, "max_replicas": settings.max_replicas}
        scale = {"autoscaling_config": {**bounds, "target_ongoing_requests": BATCH}}
    cpus = {"num_cpus": settings.threads}
    faces = Faces.options(ray_actor_options=cpus, **scale)
    return faces.bind(settings.model, settings.threads)


async def read_body(request: Request) -> bytes | None:
    """The body; None if it has more than MAX_BYTES."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)


def text(status: int, line: str) -> Response:
    """A response of one line."""
    return PlainTextResponse(line + "\n", status)
