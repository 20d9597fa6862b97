"""Follows the picture of a face from one frame to the next, in coarse cells.

Motion blur hides the parts of a face from the landmark network, but successive frames are blurred
alike: their coarse pictures match best where the face has moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.tracking.association import centres, sides
from fkd_infer.tracking.scene_change import FLAT

CELLS = 16
"""Rows and columns of a pattern."""
CELLS_PER_SIDE = 20
"""Cells along the side of a face's box: a pattern leaves out the outer tenth, which is backdrop."""
REACH = 20
"""Cells by which the face may be off the place where it is expected, in each direction."""
MIN_MATCH = 0.6
"""Correlation, less its cost, from which a place shows the face. From frame to frame, faces that
are blurred over up to 0.8 of their side have 0.75 or more; of what takes their place at once, nine
in ten have 0.5 or less."""
COST_PER_SIDE = 0.2
"""The cost of a place that is a side away from where the face is expected."""
_OFFSETS = np.arange(-REACH, REACH + 1) / CELLS_PER_SIDE
_COSTS = (COST_PER_SIDE * np.hypot(_OFFSETS[:, None], _OFFSETS)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The picture of a face: the mean luma `cells` (CELLS, CELLS), of `cell` × `cell` pixels each.

    `offset` (2,) leads from the top left corner of the face's box to that of the pattern.
    """

    cells: Floats
    cell: int
    offset: Floats

    @classmethod
    def of(cls, image: Pixels, box: Floats) -> Pattern:
        """The pattern of the face in a square box (4,)."""
        cell = max(1, round(float(sides(box)) / CELLS_PER_SIDE))
        corner = np.rint(centres(box) - CELLS * cell / 2).astype(int)
        offset = (corner - box[:2]).astype(np.float32)
        return cls(_mean_cells(image, corner, CELLS, cell), cell, offset)

    def find(self, image: Pixels, expected: Floats) -> Floats | None:
        """The face's box (4,) in another image, near where it is expected; None if not there."""
        if float(self.cells.std()) < FLAT:
            return None
        corner = np.rint(expected[:2] + self.offset).astype(int) - REACH * self.cell
        area = _mean_cells(image, corner, CELLS + 2 * REACH, self.cell)
        correlations = cv2.matchTemplate(area, self.cells, cv2.TM_CCOEFF_NORMED)
        matches = np.asarray(correlations, np.float32)
        worth = matches - _COSTS
        row, column = _argmax(worth)
        if worth[row, column] < MIN_MATCH:
            return None
        row, column = _summit(matches, row, column)
        found = area[row : row + CELLS, column : column + CELLS]
        if float(found.std()) < FLAT:
            return None
        place = np.array([_peak(matches[row], column), _peak(matches[:, column], row)])
        moved = corner + self.cell * place - self.offset - expected[:2]
        return np.asarray(expected + np.tile(moved, 2), np.float32)


def _argmax(values: Floats) -> tuple[int, int]:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


def _summit(values: Floats, row: int, column: int) -> tuple[int, int]:
    """Climbs from a cell to a maximum: costs shift the flat maxima of blurred pictures."""
    while True:
        top, left = max(0, row - 1), max(0, column - 1)
        down, right = _argmax(values[top : row + 2, left : column + 2])
        if (top + down, left + right) == (row, column):
            return row, column
        row, column = top + down, left + right


def _peak(values: Floats, index: int) -> float:
    """The maximum near an index, by the parabola through it and its neighbours."""
    if not 0 < index < len(values) - 1:
        return float(index)
    before, here, after = values[index - 1 : index + 2].tolist()
    curvature = before - 2 * here + after
    return index if curvature == 0 else index + (before - after) / (2 * curvature)


def _mean_cells(image: Pixels, corner: NDArray[np.int_], count: int, cell: int) -> Floats:
    """The mean luma of count × count cells from a corner (x, y) on; the image's edges continue."""
    height, width = image.shape[:2]
    size = count * cell
    left, top = (int(n) for n in corner)
    columns = np.clip([left, left + size], 0, width)
    rows = np.clip([top, top + size], 0, height)
    part = image[rows[0] : rows[1], columns[0] : columns[1]]
    if not part.size:
        return np.zeros((count, count), np.float32)
    gray = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    above, below = int(rows[0] - top), int(top + size - rows[1])
    before, after = int(columns[0] - left), int(left + size - columns[1])
    whole = cv2.copyMakeBorder(gray, above, below, before, after, cv2.BORDER_REPLICATE)
    cells = cv2.resize(whole, (count, count), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float32)
