"""Lowers the upper eyelids of a face in its crop: few annotated faces have their eyes shut."""

from __future__ import annotations

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.aspect_ratios import LEFT_EYE, RIGHT_EYE
from fkd_train.data.augmentation.photometric import with_shape_of

_LID = 0.55
"""Height of the skin above an eye that is stretched, in widths of the eye."""
_LASHES = 0.05
"""Height of the lid's dark edge below its annotated line, in widths of the eye."""
_MIN_WIDTH = 4.0
"""Pixels; smaller eyes stay as they are."""


def with_lowered_lids(pixels: Pixels, points: Floats, closed: float) -> tuple[Pixels, Floats]:
    """Closes both eyes of a crop (S, S, C) by a share from 0 to 1; also moves the lids' points.

    The skin above an eye is stretched downwards like a curtain, with the edge of the lid, over what
    is seen of the eye. The points (68, 2) are those of ibug68.
    """
    moved = points.copy()
    for ring in (RIGHT_EYE, LEFT_EYE):
        pixels, moved[ring] = _lowered(pixels, points[ring].astype(np.float64), closed)
    return pixels, moved


def _lowered(pixels: Pixels, ring: Floats, closed: float) -> tuple[Pixels, Floats]:
    """Lowers the lid of one eye with points (6, 2) from its corner, the upper lid first."""
    width = float(np.linalg.norm(ring[3] - ring[0]))
    if width < _MIN_WIDTH:
        return pixels, ring
    across = (ring[3] - ring[0]) / width
    down = np.array([-across[1], across[0]])
    places, heights = (ring - ring[0]) @ across, (ring - ring[0]) @ down
    upper, lower = [0, 1, 2, 3], [0, 5, 4, 3]
    moved = ring.copy()
    for point in (1, 2):
        below = np.interp(places[point], places[lower], heights[lower])
        moved[point] += closed * max(0.0, below - heights[point]) * down
    low = np.floor(ring.min(axis=0) - width * (_LID + 0.1)).clip(0).astype(int)
    high = np.ceil(ring.max(axis=0) + 0.3 * width).astype(int) + 1
    region = pixels[low[1] : high[1], low[0] : high[0]]
    if not region.size:
        return pixels, moved
    y, x = np.mgrid[: region.shape[0], : region.shape[1]]
    x, y = x + low[0] - ring[0, 0], y + low[1] - ring[0, 1]
    place, height = x * across[0] + y * across[1], x * down[0] + y * down[1]
    lid = np.interp(place, places[upper], heights[upper])
    opening = np.maximum(0, np.interp(place, places[lower], heights[lower]) - lid)
    edge = lid + _LASHES * width * (opening > 0)
    top, new_edge = lid - _LID * width, edge + closed * opening
    covered = (height > top) & (height < new_edge)
    source = np.where(
        covered, top + (height - top) * (edge - top) / np.maximum(new_edge - top, 1e-6), height
    )
    shift = source - height
    columns, rows = np.arange(region.shape[1])[None], np.arange(region.shape[0])[:, None]
    from_x = (columns + shift * down[0]).astype(np.float32)
    from_y = (rows + shift * down[1]).astype(np.float32)
    stretched = cv2.remap(region, from_x, from_y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    result = pixels.copy()
    result[low[1] : high[1], low[0] : high[0]] = with_shape_of(region, stretched)
    return result, moved
