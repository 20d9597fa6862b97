"""A source that runs, with faces that are known, and the live page's server on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from fkd_infer.choices import Smoothing
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.live.runner import LiveRunner, ViewSettings
from fkd_infer.types import Face, Frame

if TYPE_CHECKING:
    from fkd_infer.live.server import LiveServer

TOKEN = "a-token-of-24-characters"
WIDTH, HEIGHT = 1600, 1200
"""Larger than a picture to be watched."""


class Circle:
    """One face in the middle of each frame: 68 points on a circle."""

    smoothing: Smoothing = "off"
    resets = 0

    def __call__(self, frame: Frame) -> list[Face]:
        turn = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        middle, radius = np.array([frame.width, frame.height]) / 2, frame.height / 4
        points = (middle + radius * np.column_stack([np.cos(turn), np.sin(turn)])).astype(
            np.float32
        )
        return [Face(points, np.concatenate([points.min(axis=0), points.max(axis=0)]))]

    def reset(self) -> None:
        self.resets += 1


@dataclass(frozen=True)
class Corner:
    """Paints a corner of the frame in one colour."""

    colour: tuple[int, int, int]

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        canvas[:40, :40] = self.colour


EFFECTS = {"red": Corner((0, 0, 255)), "green": Corner((0, 255, 0))}


def pictures(
    count: int | None, rate: int = 50, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Callable[[], Iterator[Frame]]:
    """Gray frames, one brighter than the other; without a count they come without end."""

    def frames() -> Iterator[Frame]:
        index = 0
        while count is None or index < count:
            image = np.full((size[1], size[0], 3), 40 + 10 * (index % 20), np.uint8)
            yield Frame(image, "drawn", index, Fraction(index, rate))
            index += 1

    return frames


def playing(frames: Callable[[], Iterator[Frame]], paced: bool = True) -> LiveRunner:
    """A LiveRunner of frames, with nothing drawn at first."""
    return LiveRunner(frames, Circle(), IBUG68, EFFECTS, ViewSettings(layers=()), paced)


@contextmanager
def serving(
    live: LiveRunner, token: str | None = None, host: str = "127.0.0.1"
) -> Iterator[LiveServer]:
    """The server of a LiveRunner, in a thread; both end with the block."""
    from fkd_infer.live.server import LiveServer, PageInfo, open_listener

    subject = PageInfo("clip.mp4", {"red": "Red corner", "green": "Green corner"})
    server = LiveServer(live, subject, open_listener(host, 0), host, token)
    thread = threading.Thread(target=server.run, name="server")
    with live:
        live.wait()
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


def until(happened: Callable[[], object], seconds: float = 10) -> None:
    """Waits for something that other threads do."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
