"""Detects cuts, and how much of a picture changed, from small thumbnails of frames and faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels

COLUMNS, ROWS = 32, 18
MIN_CORRELATION = 0.3
"""Thumbnails that correlate less are of two shots."""
CHANGED = 16.0
"""Grey levels by which a changed cell differs: several times the noise of a cell's mean."""
FLAT = 2.0
"""Standard deviation, in grey levels, below which a picture is too uniform to correlate."""

FACE_CELLS = 16
"""Rows and columns of a face's thumbnail."""
MIN_LIKENESS = 0.65
"""Correlation of the thumbnails of faces that may be of one person. Of test images of YouTube
Faces, 0.9 % of the pairs of different people are more alike, and of the pairs of one image with
boxes that are off by 2 %, 98 %."""

Cells: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """Mean luma of the cells (ROWS, COLUMNS) of a picture of `width` × `height` pixels."""

    cells: Cells
    width: int
    height: int

    @classmethod
    def of(cls, image: Pixels) -> Thumbnail:
        """The thumbnail of an image, from a few thousand of its pixels."""
        height, width = image.shape[:2]
        step = max(1, min(height, width) // (5 * ROWS))
        sampled = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
        gray = sampled if sampled.ndim == 2 else cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY)
        cells = cv2.resize(gray, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        return cls(np.asarray(cells, np.float32), width, height)

    def is_cut_from(self, earlier: Thumbnail) -> bool:
        """Whether the pictures are of two shots: their sizes differ, or they do not correlate.

        A change of brightness is no cut, and neither is a fade from or to black.
        """
        if (self.width, self.height) != (earlier.width, earlier.height):
            return True
        one, other = self.cells - self.cells.mean(), earlier.cells - earlier.cells.mean()
        deviations = float(one.std()), float(other.std())
        if min(deviations) < FLAT:
            return False
        return float((one * other).mean()) < MIN_CORRELATION * deviations[0] * deviations[1]

    def changed_share(self, earlier: Thumbnail, boxes: Floats) -> float:
        """The share of cells outside of boxes (n, 4) that differ from an earlier picture."""
        outside = np.ones((ROWS, COLUMNS), bool)
        scale = np.array([COLUMNS / self.width, ROWS / self.height] * 2)
        for left, top, right, bottom in (boxes + 0.5) * scale:
            rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
            outside[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = False
        if not outside.any():
            return 0.0
        return float((np.abs(self.cells - earlier.cells)[outside] > CHANGED).mean())


class SceneChangeDetector:
    """Detects cuts between successive frames of a video."""

    def __init__(self) -> None:
        self._last: Thumbnail | None = None

    def is_cut(self, thumbnail: Thumbnail) -> bool:
        """Whether a new shot begins with the next frame; the first frame begins none."""
        last, self._last = self._last, thumbnail
        return last is not None and thumbnail.is_cut_from(last)


def face_cells(image: Pixels, box: Floats) -> Cells:
    """The mean luma of the cells (FACE_CELLS, FACE_CELLS) of a face, standardised; zeros if nothing
    of it is in the image. The outer tenth of its box (4,) on each side is left out: background."""
    height, width = image.shape[:2]
    margin = 0.1 * (box[2] - box[0])
    left, top = (max(0, int(edge + margin)) for edge in box[:2])
    right, bottom = min(width, int(box[2] - margin) + 1), min(height, int(box[3] - margin) + 1)
    step = max(1, (right - left) // (3 * FACE_CELLS))
    sampled = np.ascontiguousarray(image[top:bottom:step, left:right:step])
    if not sampled.size:
        return np.zeros((FACE_CELLS, FACE_CELLS), np.float32)
    gray = sampled if sampled.ndim == 2 else cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY)
    cells = cv2.resize(gray, (FACE_CELLS, FACE_CELLS), interpolation=cv2.INTER_AREA)
    offsets = cells.astype(np.float32) - cells.mean()
    return np.asarray(offsets / max(float(offsets.std()), FLAT), np.float32)


def are_alike(one: Cells, other: Cells) -> bool:
    """Whether thumbnails of faces may be of one person before and after a cut."""
    return float((one * other).mean()) >= MIN_LIKENESS
