"""How much a picture changed since another: few, coarse cells of it, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels

COLUMNS, ROWS = 32, 18
CUT = 0.3
"""Pictures whose cells correlate less than so are of two shots."""
CHANGED = 16.0
"""Grey levels by which a cell has to differ: several times what noise leaves of a cell's mean."""
FLAT = 2.0
"""Standard deviation, in grey levels, below which a picture shows nothing to correlate."""

Cells: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """Mean luma of the cells (ROWS, COLUMNS) of a picture that is `width` × `height`."""

    cells: Cells
    width: int
    height: int

    @classmethod
    def at(cls, image: Pixels) -> Glance:
        """A glance at an image, from a few thousand of its pixels."""
        height, width = image.shape[:2]
        step = max(1, min(height, width) // (5 * ROWS))
        few = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
        gray = few if few.ndim == 2 else cv2.cvtColor(few, cv2.COLOR_BGR2GRAY)
        cells = cv2.resize(gray, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        return cls(np.asarray(cells, np.float32), width, height)

    def is_cut_from(self, before: Glance) -> bool:
        """Whether a new shot began: another size, or cells that have nothing to do with each other.

        Brighter or darker light is none, and neither is a fade from or to black.
        """
        if (self.width, self.height) != (before.width, before.height):
            return True
        one, other = self.cells - self.cells.mean(), before.cells - before.cells.mean()
        deviations = float(one.std()), float(other.std())
        if min(deviations) < FLAT:
            return False
        return float((one * other).mean()) < CUT * deviations[0] * deviations[1]

    def changed_since(self, before: Glance, boxes: Floats) -> float:
        """Share of the cells outside of boxes (n, 4) that differ."""
        free = np.ones((ROWS, COLUMNS), bool)
        scale = np.array([COLUMNS / self.width, ROWS / self.height] * 2)
        for left, top, right, bottom in (boxes + 0.5) * scale:
            rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
            free[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = False
        if not free.any():
            return 0.0
        return float((np.abs(self.cells - before.cells)[free] > CHANGED).mean())
