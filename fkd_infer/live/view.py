"""What viewers choose, what they see, and how fast it runs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DrawLayer, Smoothing
from fkd_infer.geometry.arrays import Pixels

MAX_VIEW_SIDE = 1280
"""Longer side of the streamed pictures, in pixels, at most."""
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class ViewSettings:
    """What is shown, drawn, and how strongly landmarks are smoothed; viewers can change it.

    `source` is a number in the list of sources that the program offers.
    """

    filters: tuple[str, ...] = ()
    smoothing: Smoothing = "off"
    layers: tuple[DrawLayer, ...] = DEFAULT_DRAW_LAYERS
    source: int = 0
    mirrored: bool = False
    paused: bool = False


@dataclass(frozen=True)
class Stats:
    """Figures of a run; `ms` is the median time to find a frame's faces, over 30 frames."""

    fps: float
    ms: float
    faces: int
    frames: int
    dropped: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A frame with its faces drawn; `number` counts the frames of the run from 1."""

    image: Pixels
    number: int
    faces: int

    def jpeg(self) -> bytes:
        """Encodes the picture for streaming, MAX_VIEW_SIDE at most."""
        image = self.scaled_to(MAX_VIEW_SIDE)
        return _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])

    def scaled_to(self, max_side: int) -> Pixels:
        """The picture, with at most so many pixels on its longer side."""
        height, width = self.image.shape[:2]
        scale = max_side / max(height, width)
        if scale >= 1:
            return self.image
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(cv2.resize(self.image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def png(self) -> bytes:
        """Encodes the picture at its full size."""
        return _encode(".png", self.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode(suffix: str, image: Pixels, options: list[int]) -> bytes:
    _, data = cv2.imencode(suffix, image, options)
    return data.tobytes()
