"""Pictures with one face and with several, small and large, for comparing with the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Literal

import cv2
import numpy as np

from fkd_infer.end_to_end import fit
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_train.data.synthetic import draw_face
from fkd_train.export.sources.source import ExportData

_SHEETS, _FACES_PER_SHEET = 6, 4
_FACES = _SHEETS * _FACES_PER_SHEET
_ENLARGED, _ENLARGEMENT = 4, 4.3
_GRAY = 127
_BATCHES = (1, 2, 3, 7)
"""Numbers of pictures in a batch, one after the other, for graphs that take any."""


def drawn_pictures() -> list[Pixels]:
    """Draws sheets of faces."""
    rng = np.random.default_rng(0)
    return sheets([bgr_image(draw_face(200, rng)[0]) for _ in range(_FACES)])


def real_pictures(data: ExportData) -> list[Pixels]:
    """Loads images of evaluation faces, as `pictures_of` arranges them."""
    return pictures_of(data.evaluation_faces(colour=True).images)


def pictures_of(images: Sequence[Pixels]) -> list[Pixels]:
    """Takes the first images of faces, enlarges some, and adds sheets of them."""
    images = list(images[:_FACES])
    large = [_resized(image, _ENLARGEMENT) for image in images[:_ENLARGED]]
    return [*images, *large, *sheets(images)]


def fitted(picture: Pixels, height: int, width: int) -> Pixels:
    """Returns a picture as the runtime fits it into one of this size."""
    place = np.empty((height, width, 3), np.uint8)
    fit(picture, place)
    return place


def in_batches(pictures: Sequence[Pixels], batch: int | Literal["dynamic"]) -> list[Pixels]:
    """Stacks pictures of one size to batches (b, H, W, 3) of so many, or of several numbers.

    The last picture fills up the last batch of a fixed number.
    """
    sizes = cycle(_BATCHES if batch == "dynamic" else [batch])
    batches, first = [], 0
    while first < len(pictures):
        size = next(sizes)
        part = pictures[first : first + size]
        missing = 0 if batch == "dynamic" else size - len(part)
        batches.append(np.stack([*part, *[part[-1]] * missing]))
        first += size
    return batches


def _resized(image: Pixels, factor: float) -> Pixels:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor), np.uint8)


def sheets(images: Sequence[Pixels]) -> list[Pixels]:
    """Composes pictures of odd sizes with several images side by side at random heights."""
    rng = np.random.default_rng(1)
    pictures = []
    for first in range(0, len(images), _FACES_PER_SHEET):
        heights = rng.integers(60, 420, _FACES_PER_SHEET)
        sheet = np.full((int(heights.max()), 0, 3), _GRAY, np.uint8)
        row = images[first : first + _FACES_PER_SHEET]
        for image, height in zip(row, heights, strict=False):
            factor = height / len(image)
            size = (max(1, round(image.shape[1] * factor)), int(height))
            resized = cv2.resize(image, size)
            below = ((0, len(sheet) - len(resized)), (0, 0), (0, 0))
            sheet = np.hstack([sheet, np.pad(resized, below, mode="edge")])
        pictures.append(np.ascontiguousarray(sheet, np.uint8))
    return pictures
