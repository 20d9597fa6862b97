"""What filters and annotations are drawn on: an image in BGR, or the colour planes of a video.

Pictures and colours come in BGR, as in any SDR image (BT.1886, BT.709 primaries), and a canvas
brings them into its own colours.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.paint import Paint
from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels

Colour = tuple[int, int, int]
"""Blue, green, red."""
Box = tuple[int, int, int, int]
"""Pixels x0, y0, x1, y1; the last two are outside."""


class Palette(Protocol):
    """The colours of a canvas; equal ones bring pictures into equal colours."""

    def __hash__(self) -> int: ...

    def picture(self, picture: Pixels, blend: Blend, gain: float = 1.0) -> NDArray[Any]:
        """A picture BGRA (h, w, 4), colours times alpha, with its colours times `gain`, in the form
        in which it is blended."""
        ...

    def mark(self, colour: Colour) -> tuple[int, ...]:
        """A colour with which OpenCV draws on the canvas's ink."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """A part of a canvas, for OpenCV's drawing functions; `corner` is where it begins, (x, y)."""

    pixels: Pixels
    corner: tuple[int, int]
    palette: Palette


class Canvas(Protocol):
    """Something that pictures and marks are drawn on in place."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels."""
        ...

    @property
    def palette(self) -> Palette:
        """Its colours."""
        ...

    def box(self, left: float, top: float, right: float, bottom: float) -> Box | None:
        """The part that holds these ends; None outside the canvas, and for NaN and infinity."""
        ...

    def blend(self, box: Box, picture: NDArray[Any], paint: Paint) -> None:
        """Blends a picture, in the palette's form, into a part of its size."""
        ...

    def ink(self, box: Box) -> AbstractContextManager[Ink]:
        """A part to draw marks on; they are on the canvas after the block."""
        ...

    def brightness(self, box: Box, samples: int) -> Floats:
        """The luma, 0 to 255, of about `samples` rows and columns of a part."""
        ...


def enclosing_box(ends: tuple[float, float, float, float], width: int, height: int) -> Box | None:
    """The pixels of an image up to these ends; None outside, and for NaN and infinity."""
    # Plain numbers: a frame has many layers, and for two values NumPy's overhead dominates.
    left, top, right, bottom = ends
    if not (isfinite(left) and isfinite(top) and isfinite(right) and isfinite(bottom)):
        return None
    x0, y0 = max(0, floor(left)), max(0, floor(top))
    x1, y1 = min(width, ceil(right) + 1), min(height, ceil(bottom) + 1)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def ends_of(points: Matrix | Floats) -> tuple[float, float, float, float]:
    """The smallest and largest x and y of points (n, 2)."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def sampled(plane: NDArray[Any], box: Box, samples: int) -> NDArray[Any]:
    """Evenly spaced pixels of a part of an image, about `samples` rows and columns."""
    x0, y0, x1, y1 = box
    down, across = max(1, (y1 - y0) // samples), max(1, (x1 - x0) // samples)
    return np.asarray(plane[y0:y1:down, x0:x1:across])
