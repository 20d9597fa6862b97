"""Draws on images in BGR."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_infer.canvas.canvas import Box, Canvas, Colour, Ink, Palette, enclosing_box, sampled
from fkd_infer.canvas.paint import Paint, scaled
from fkd_infer.choices import Blend
from fkd_infer.errors import InvalidImageError
from fkd_infer.geometry.arrays import Floats, Pixels, check_image

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)


@dataclass(frozen=True, slots=True)
class BgrPalette:
    """The colours that pictures and marks come in."""

    def picture(self, picture: Pixels, blend: Blend, gain: float = 1.0) -> Pixels:
        """The picture with its colours times `gain`."""
        if gain == 1:
            return picture
        brighter = scaled(picture, gain)
        brighter[..., 3] = picture[..., 3]
        return brighter

    def mark(self, colour: Colour) -> tuple[int, ...]:
        """The colour as it is."""
        return colour


class ImageCanvas:
    """Draws on a BGR image (H, W, 3)."""

    def __init__(self, image: Pixels) -> None:
        self.palette: Palette = BgrPalette()
        self.image = image
        self.height, self.width = image.shape[:2]

    def box(self, left: float, top: float, right: float, bottom: float) -> Box | None:
        """The part that holds these ends; None outside the canvas, and for NaN and infinity."""
        return enclosing_box((left, top, right, bottom), self.width, self.height)

    def blend(self, box: Box, picture: Pixels, paint: Paint) -> None:
        """Blends a picture BGRA (h, w, 4), colours times alpha, into a part of its size."""
        region = self._region(box)
        keep, add = paint.keep_and_add(picture)
        cv2.multiply(region, keep, dst=region, scale=1 / 255)
        if add is not None:
            cv2.add(region, add, dst=region)

    @contextmanager
    def ink(self, box: Box) -> Iterator[Ink]:
        """The part itself."""
        yield Ink(self._region(box), box[:2], self.palette)

    def brightness(self, box: Box, samples: int) -> Floats:
        """The luma, 0 to 255, of about `samples` rows and columns of a part."""
        return np.asarray(sampled(self.image, box, samples).astype(np.float32) @ _LUMA)

    def _region(self, box: Box) -> Pixels:
        x0, y0, x1, y1 = box
        return self.image[y0:y1, x0:x1]


def as_canvas(canvas: Pixels | Canvas) -> Canvas:
    """A canvas as it is, or that of an image; raises InvalidImageError for what is no BGR image."""
    if not isinstance(canvas, np.ndarray):
        return canvas
    image = check_image(canvas)
    if not image.flags.writeable:
        raise InvalidImageError("a read-only array", "pass a copy: image.copy()")
    return ImageCanvas(image)
