"""Draws on the luma and chroma of a video's picture, and leaves all other pixels as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Box, Ink, enclosing_box, sampled
from fkd_infer.canvas.colour_space import ColourSpace
from fkd_infer.canvas.paint import Paint
from fkd_infer.geometry.arrays import Floats, Pixels

Plane = NDArray[Any]
"""uint8, or uint16 for more than 8 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneCanvas:
    """Draws on luma (H, W), and on blue and red chroma of the same size, or of half of it; what is
    drawn is not transparent, if there is `alpha` (H, W)."""

    luma: Plane
    blue: Plane
    red: Plane
    palette: ColourSpace
    alpha: Plane | None = None

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.luma.shape[0])

    def box(self, left: float, top: float, right: float, bottom: float) -> Box | None:
        """The part that holds these ends, of whole pixels of chroma; None outside the canvas."""
        box = enclosing_box((left, top, right, bottom), self.width, self.height)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        return x0 & ~1, y0 & ~1, min(x1 + x1 % 2, self.width), min(y1 + y1 % 2, self.height)

    def blend(self, box: Box, picture: NDArray[Any], paint: Paint) -> None:
        """Blends a picture, in the palette's form, into a part of its size."""
        if paint.blend == "normal":
            self._lay(box, picture, paint.strength)
        else:
            self._filter(box, picture, paint)

    @contextmanager
    def ink(self, box: Box) -> Iterator[Ink]:
        """A transparent picture, which is laid on the part after the block."""
        x0, y0, x1, y1 = box
        pixels = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
        yield Ink(pixels, (x0, y0), self.palette)
        self._lay(box, self._deepened(pixels), 1)

    def brightness(self, box: Box, samples: int) -> Floats:
        """The luma, 0 to 255, of about `samples` rows and columns of a part, as SDR shows it."""
        return np.asarray(self.palette.gray(sampled(self.luma, box, samples)), np.float32)

    def _deepened(self, ink: Pixels) -> NDArray[Any]:
        """Ink of 8 bits at the depth of the planes."""
        if self.palette.bits == 8:
            return ink
        scale = 1 << (self.palette.bits - 8)
        return ink.astype(np.uint16) * np.array([scale, scale, scale, 257], np.uint16)

    def _parts(self, box: Box) -> tuple[Plane, Plane, Plane]:
        """The part's luma and chroma, which share the canvas's memory."""
        x0, y0, x1, y1 = box
        down, across = (-(-a // b) for a, b in zip(self.luma.shape, self.blue.shape, strict=True))
        rows, columns = slice(y0 // down, -(-y1 // down)), slice(x0 // across, -(-x1 // across))
        return self.luma[y0:y1, x0:x1], self.blue[rows, columns], self.red[rows, columns]

    def _lay(self, box: Box, picture: NDArray[Any], strength: float) -> None:
        """Lays luma, chroma and alpha over a part."""
        luma, blue, red = self._parts(box)
        if strength < 1:
            picture = cv2.addWeighted(picture, strength, picture, 0, 0)
        above, _, _, alpha = cv2.split(picture)
        _, above_blue, above_red, alpha_of_chroma = cv2.split(_shrunk(picture, blue))
        _cover(luma, above, alpha)
        _cover(blue, above_blue, alpha_of_chroma)
        _cover(red, above_red, alpha_of_chroma)
        if self.alpha is not None:
            x0, y0, x1, y1 = box
            _cover(self.alpha[y0:y1, x0:x1], alpha, alpha)

    def _filter(self, box: Box, picture: NDArray[Any], paint: Paint) -> None:
        """Multiplies or screens a part by a picture, in B', G', R'.

        The change alone is brought back to luma and chroma: where there is none, none is rounded.
        """
        parts, size = self._parts(box), (box[2] - box[0], box[3] - box[1])
        whole = cv2.merge(
            [
                part
                if part.shape == parts[0].shape
                else cv2.resize(part, size, interpolation=cv2.INTER_NEAREST)
                for part in parts
            ]
        )
        back = self.palette.to_bgr
        below = cv2.transform(whole.astype(np.float32), back)
        keep, add = paint.keep_and_add(picture)
        change = cv2.multiply(below, keep, scale=1 / 255, dtype=cv2.CV_32F)
        change = cv2.subtract(change, below, dst=change)
        if add is not None:
            cv2.addWeighted(change, 1, add.astype(np.float32), 1 / 255, 0, dst=change)
        changes = cv2.split(cv2.transform(change, self.palette.from_bgr))
        for part, delta in zip(parts, changes, strict=True):
            depth = cv2.CV_8U if part.itemsize == 1 else cv2.CV_16U
            cv2.add(part, _shrunk(delta, part), dst=part, dtype=depth)


def _cover(part: Plane, layer: Plane, alpha: Plane) -> None:
    """Lays a layer, times its alpha, over a part."""
    full = 255 if part.itemsize == 1 else 65535
    cv2.multiply(part, cv2.bitwise_not(alpha), dst=part, scale=1 / full)
    cv2.add(part, layer, dst=part)


def _shrunk(layer: NDArray[Any], part: Plane) -> NDArray[Any]:
    """A layer at the size of a part of chroma."""
    if layer.shape[:2] == part.shape:
        return layer
    size = part.shape[1], part.shape[0]
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA))
