"""Round marks at any fraction of a pixel, antialiased, and quick; text with an outline."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels

Colour = tuple[int, int, int]

_BITS = 4
_PHASES = 2**_BITS
"""Places within a pixel that a mark can have, each way."""
_RADII = 8
"""Radii that it can have for each pixel."""
_FINE = 8
"""Samples of a pixel, each way, from which its cover is told."""
_LARGEST = 12
"""Radius up to which marks are drawn beforehand; OpenCV's larger circles are round."""
_FAR = 2**24
FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK: Colour = (0, 0, 0)


def draw_discs(canvas: Pixels, points: Floats, radius: float, colour: Colour) -> None:
    """Draws discs around points (n, 2) into a BGR image itself; OpenCV's small circles are crosses.

    Centres are right to 1/32 of a pixel and radii to 1/16. Points that are not finite, or far away,
    are left out.
    """
    near = points[(np.abs(points) < _FAR).all(axis=1)]
    fixed = np.rint(near.astype(np.float64) * _PHASES).astype(np.int64)
    if radius > _LARGEST:
        size = round((radius - 0.5) * _PHASES)  # OpenCV adds the smooth edge outside
        for x, y in fixed.tolist():
            cv2.circle(canvas, (x, y), size, colour, cv2.FILLED, cv2.LINE_AA, _BITS)
        return
    keep, add = _stamps(max(1, round(radius * _RADII)), colour)
    size = keep.shape[2]
    height, width = canvas.shape[:2]
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


def draw_outlined_text(
    canvas: Pixels,
    text: str,
    start: tuple[int, int],
    scale: float,
    colour: Colour,
    thickness: tuple[int, int],
) -> None:
    """Writes text with a dark outline into a BGR image itself, from `start`, its base line's left.

    `thickness` is that of the letters' strokes, and with the outline.
    """
    thin, wide = thickness
    if hasattr(cv2, "FontFace"):
        _outline(canvas, text, start, scale, thickness)
    else:
        cv2.putText(canvas, text, start, FONT, scale, _DARK, wide, cv2.LINE_AA)
    cv2.putText(canvas, text, start, FONT, scale, colour, thin, cv2.LINE_AA)


def _outline(
    canvas: Pixels, text: str, start: tuple[int, int], scale: float, thickness: tuple[int, int]
) -> None:
    """The dark part for OpenCV 5, whose bold letters are wider and no outline of its thin ones."""
    thin, wide = thickness
    reach = (wide - thin) // 2
    (width, height), base = cv2.getTextSize(text, FONT, scale, thin)
    x0, y0 = max(0, start[0] - wide), max(0, start[1] - height - wide)
    part = canvas[y0 : start[1] + base + wide, x0 : start[0] + width + wide]
    if not part.size:
        return
    letters = np.zeros(part.shape[:2], np.uint8)
    place = start[0] - x0, start[1] - y0
    cv2.putText(letters, text, place, FONT, scale, (255,), thin, cv2.LINE_AA)
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate(letters, round_brush)
    # Small letters are faint; their outline is not.
    keep = cv2.bitwise_not(cv2.add(grown, grown))
    cv2.multiply(part, cv2.cvtColor(keep, cv2.COLOR_GRAY2BGR), dst=part, scale=1 / 255)
