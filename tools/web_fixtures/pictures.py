"""The pictures in which Python and TypeScript find faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import skimage

from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_train.data.synthetic import draw_face
from fkd_train.export.end_to_end_pictures import drawn_pictures

_SIZES = (36, 48, 75, 90, 120, 150, 180, 200, 230, 260, 300, 333, 401)
"""Sides of pictures of one drawn face, in pixels: smaller and larger than crops."""


def pictures() -> Iterator[tuple[str, Pixels]]:
    """Yields 20 drawn pictures, in gray and in colour, and a photo of an astronaut, by name."""
    drawn = drawn_pictures()
    for number, sheet in enumerate(drawn):
        yield f"sheet-{number}", sheet
    height = min(map(len, drawn[:3]))
    # More than twice as wide as pictures are searched.
    yield "wide", np.hstack([sheet[:height] for sheet in drawn[:3]])
    rng = np.random.default_rng(2)
    for size in _SIZES:
        face = draw_face(size, rng)[0]
        tint = rng.uniform(0.7, 1, 3)
        yield f"face-{size}", np.rint(bgr_image(face) * tint).astype(np.uint8)
    yield "astronaut", astronaut()


def astronaut() -> Pixels:
    """The photo of an astronaut that scikit-image has."""
    photos: Any = skimage.data  # untyped
    return np.ascontiguousarray(photos.astronaut()[..., ::-1])
