"""Round marks at any fraction of a pixel, antialiased, and quick."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from fkd_infer.crop import Floats, Pixels

Colour = tuple[int, int, int]

_PHASES = 16
"""Places within a pixel that a mark can have, each way."""
_RADII = 8
"""Radii that it can have for each pixel."""
_FINE = 8
"""Samples of a pixel, each way, from which its cover is told."""
_FAR = 2**24


def discs(canvas: Pixels, points: Floats, radius: float, colour: Colour) -> None:
    """Draws discs around points (n, 2) into a BGR image itself; OpenCV's small circles are crosses.

    Centres are right to 1/32 of a pixel and radii to 1/16. Points that are not finite, or far away,
    are left out.
    """
    keep, add = _stamps(max(1, round(radius * _RADII)), colour)
    size = keep.shape[2]
    height, width = canvas.shape[:2]
    near = points[(np.abs(points) < _FAR).all(axis=1)]
    fixed = np.rint(near.astype(np.float64) * _PHASES).astype(np.int64)
    corners, phases = fixed // _PHASES - size // 2, fixed % _PHASES
    for (x, y), (right, down) in zip(corners.tolist(), phases.tolist(), strict=True):
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + size, width), min(y + size, height)
        if x0 >= x1 or y0 >= y1:
            continue
        part = canvas[y0:y1, x0:x1]
        inside = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
        cv2.multiply(part, keep[down, right][inside], dst=part, scale=1 / 255)
        cv2.add(part, add[down, right][inside], dst=part)


@lru_cache(maxsize=64)
def _stamps(radius: int, colour: Colour) -> tuple[Pixels, Pixels]:
    """A disc of `radius` / _RADII pixels at each place within the middle pixel: what it leaves of
    the picture, of 255, and what it adds; both (_PHASES, _PHASES, k, k, 3) by (down, right)."""
    reach = -(-radius // _RADII) + 1
    samples = (np.arange(_FINE * (2 * reach + 1)) + 0.5) / _FINE - 0.5 - reach
    offsets = samples - np.arange(_PHASES)[:, None] / _PHASES  # (phases, samples)
    squares = offsets**2
    covers = np.empty((_PHASES, _PHASES, 2 * reach + 1, 2 * reach + 1))
    for down, row in enumerate(squares):
        inside = (
            row[:, None] + squares[:, None] <= (radius / _RADII) ** 2
        )  # (phases, rows, columns)
        cells = inside.reshape(_PHASES, 2 * reach + 1, _FINE, 2 * reach + 1, _FINE)
        covers[down] = cells.mean(axis=(2, 4))
    covers = np.repeat(covers[..., None], 3, axis=-1)
    keep = np.rint(255 * (1 - covers)).astype(np.uint8)
    add = np.rint(covers * np.array(colour)).astype(np.uint8)
    return keep, add
