"""A live runner of drawn frames with known faces, and the live page's server for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import count as count_up
from typing import TYPE_CHECKING

import numpy as np

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.image_canvas import as_canvas
from fkd_infer.choices import Smoothing
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.live.drawer import FrameTracker
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.source import LiveSource
from fkd_infer.live.view import ViewSettings
from fkd_infer.types import Face, Frame

if TYPE_CHECKING:
    from fkd_infer.live.server import LiveServer

TOKEN = "a-token-of-24-characters"
WIDTH, HEIGHT = 1600, 1200
"""Larger than a streamed picture."""


class CircleTracker:
    """Finds one face in the middle of each frame: 68 points on a circle."""

    smoothing: Smoothing = "off"
    resets = 0

    def __call__(self, frame: Frame) -> list[Face]:
        angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        middle, radius = np.array([frame.width, frame.height]) / 2, frame.height / 4
        points = (middle + radius * np.column_stack([np.cos(angles), np.sin(angles)])).astype(
            np.float32
        )
        return [Face(points, np.concatenate([points.min(axis=0), points.max(axis=0)]))]

    def reset(self) -> None:
        self.resets += 1


@dataclass(frozen=True)
class CornerFilter:
    """Paints a corner of the frame in one colour."""

    colour: tuple[int, int, int]

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        with as_canvas(image).ink((0, 0, 40, 40)) as ink:
            ink.pixels[:] = self.colour


FILTERS = {"red": CornerFilter((0, 0, 255)), "green": CornerFilter((0, 255, 0))}


def drawn_frames(
    count: int | None, rate: int = 50, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Callable[[], Iterator[Frame]]:
    """Gray frames, each brighter than the last; without a count they do not end."""

    def frames() -> Iterator[Frame]:
        for index in count_up() if count is None else range(count):
            image = np.full((size[1], size[0], 3), 40 + 10 * (index % 20), np.uint8)
            yield Frame(image, "drawn", index, Fraction(index, rate))

    return frames


def endless_frames() -> Callable[[], Iterator[Frame]]:
    """Gray frames without end."""
    return drawn_frames(None)


def live_runner(
    frames: Callable[[], Iterator[Frame]],
    repeated: bool = True,
    tracker: FrameTracker | None = None,
    others: Sequence[LiveSource] = (),
) -> LiveRunner:
    """A runner of frames that draws nothing at first."""
    sources = (LiveSource("clip.mp4", frames, repeated), *others)
    settings = ViewSettings(layers=())
    return LiveRunner(sources, tracker or CircleTracker(), IBUG68, FILTERS, settings)


@contextmanager
def serve(
    live: LiveRunner,
    token: str | None = None,
    host: str = "127.0.0.1",
    titles: Sequence[str] = ("clip.mp4",),
    port: int = 0,
) -> Iterator[LiveServer]:
    """Runs the server of a runner in a thread until the end of the block."""
    from fkd_infer.live.access.listener import open_listener
    from fkd_infer.live.server import LiveServer
    from fkd_infer.live.state import PageInfo

    info = PageInfo(titles, {"red": "Red corner", "green": "Green corner"})
    server = LiveServer(live, info, open_listener(host, port), host, token)
    thread = threading.Thread(target=server.run, name="server")
    with live:
        live.wait()
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    """Waits for an effect of other threads."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
