"""Antialiased discs at subpixel positions, and text with an outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels

FONT = cv2.FONT_HERSHEY_SIMPLEX
_BITS = 4
_PHASES = 2**_BITS
"""Positions of a disc within a pixel, in each direction."""
_RADII = 8
"""Radii of a disc per pixel."""
_SAMPLES = 8
"""Samples per pixel, in each direction, that measure a disc's coverage."""
_MAX_STAMP_RADIUS = 12
"""Radius up to which discs are drawn from stamps; OpenCV's larger circles are round."""
_MAX_COORDINATE = 2**24


@dataclass(frozen=True, slots=True)
class Disc:
    """A radius in pixels, and a colour with a value for each channel of the image."""

    radius: float
    colour: tuple[int, ...]


def draw_discs(canvas: Pixels, points: Floats, discs: Sequence[Disc]) -> None:
    """Draws discs around points (n, 2), one over the other, into an image (h, w, c) in place.

    OpenCV draws small circles as crosses. These have centres to 1/32 of a pixel and radii to 1/16.
    Points that are not finite, or far away, are left out.
    """
    near = points[(np.abs(points) < _MAX_COORDINATE).all(axis=1)]
    fixed = np.rint(near.astype(np.float64) * _PHASES).astype(np.int64)
    if max(disc.radius for disc in discs) > _MAX_STAMP_RADIUS:
        for x, y in fixed.tolist():
            for disc in discs:
                size = round((disc.radius - 0.5) * _PHASES)  # OpenCV adds the smooth edge outside
                cv2.circle(canvas, (x, y), size, disc.colour, cv2.FILLED, cv2.LINE_AA, _BITS)
        return
    stamps = _stamps(tuple((max(1, round(one.radius * _RADII)), one.colour) for one in discs))
    size = stamps.keep.shape[2]
    height, width = canvas.shape[:2]
    corners, phases = fixed // _PHASES - size // 2, fixed % _PHASES
    for (x, y), (right, down) in zip(corners.tolist(), phases.tolist(), strict=True):
        keep, add = stamps.keep[down, right], stamps.add[down, right]
        if x < 0 or y < 0 or x + size > width or y + size > height:
            x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + size, width), min(y + size, height)
            if x0 >= x1 or y0 >= y1:
                continue
            inside = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
            keep, add, region = keep[inside], add[inside], canvas[y0:y1, x0:x1]
        else:
            region = canvas[y : y + size, x : x + size]
        cv2.multiply(region, keep, dst=region, scale=1 / 255)
        cv2.add(region, add, dst=region)


@dataclass(frozen=True, slots=True, eq=False)
class _Stamps:
    """Discs at each position within the middle pixel: the share of the picture that remains, of
    255, and the colours that are added; both (_PHASES, _PHASES, k, k, c), by (down, right)."""

    keep: Pixels
    add: Pixels


@lru_cache(maxsize=64)
def _stamps(discs: tuple[tuple[int, tuple[int, ...]], ...]) -> _Stamps:
    """Draws discs of radii in 1 / _RADII pixels, and of colours, one over the other."""
    reach = -(-max(radius for radius, _ in discs) // _RADII) + 1
    channels = len(discs[0][1])
    keep = np.ones((_PHASES, _PHASES, 2 * reach + 1, 2 * reach + 1, channels))
    add = np.zeros_like(keep)
    for radius, colour in discs:
        coverage = _coverage(radius, reach)[..., None]
        keep *= 1 - coverage
        add = add * (1 - coverage) + coverage * np.array(colour)
    return _Stamps(np.rint(255 * keep).astype(np.uint8), np.rint(add).astype(np.uint8))


def _coverage(radius: int, reach: int) -> Matrix:
    """The share of each pixel, up to `reach` around the middle one, that a disc covers, by its
    position, (_PHASES, _PHASES, k, k)."""
    side = 2 * reach + 1
    samples = (np.arange(_SAMPLES * side) + 0.5) / _SAMPLES - 0.5 - reach
    offsets = samples - np.arange(_PHASES)[:, None] / _PHASES  # (phases, samples)
    squares = offsets**2
    coverage: Matrix = np.empty((_PHASES, _PHASES, side, side))
    for down, row in enumerate(squares):
        # (phases, rows, columns)
        inside = row[:, None] + squares[:, None] <= (radius / _RADII) ** 2
        cells = inside.reshape(_PHASES, side, _SAMPLES, side, _SAMPLES)
        coverage[down] = cells.mean(axis=(2, 4))
    return coverage


@dataclass(frozen=True, slots=True)
class Strokes:
    """Colours of text and of its outline, and the widths of strokes without and with it."""

    colour: tuple[int, ...]
    outline: tuple[int, ...]
    thin: int
    wide: int


WHITE_TEXT = Strokes((255, 255, 255), (0, 0, 0), 1, 3)
"""Small white text in an image."""


def draw_outlined_text(
    canvas: Pixels, text: str, start: tuple[int, int], scale: float, strokes: Strokes
) -> None:
    """Draws text with an outline into an image in place; `start` is the left end of the base line,
    (x, y)."""
    if hasattr(cv2, "FontFace"):
        _draw_outline(canvas, text, start, scale, strokes)
    else:
        cv2.putText(canvas, text, start, FONT, scale, strokes.outline, strokes.wide, cv2.LINE_AA)
    cv2.putText(canvas, text, start, FONT, scale, strokes.colour, strokes.thin, cv2.LINE_AA)


def _draw_outline(
    canvas: Pixels, text: str, start: tuple[int, int], scale: float, strokes: Strokes
) -> None:
    """Draws the outline for OpenCV 5, whose bold letters are wider than its thin ones."""
    wide = strokes.wide
    reach = (wide - strokes.thin) // 2
    (width, height), base = cv2.getTextSize(text, FONT, scale, strokes.thin)
    x0, y0 = max(0, start[0] - wide), max(0, start[1] - height - wide)
    region = canvas[y0 : start[1] + base + wide, x0 : start[0] + width + wide]
    if not region.size:
        return
    letters = np.zeros(region.shape[:2], np.uint8)
    corner = start[0] - x0, start[1] - y0
    cv2.putText(letters, text, corner, FONT, scale, (255,), strokes.thin, cv2.LINE_AA)
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    dilated = cv2.dilate(letters, round_brush)
    # Small letters are faint; their outline must not be.
    coverage = cv2.merge([cv2.add(dilated, dilated)] * len(strokes.outline))
    outline = np.full(region.shape, strokes.outline, np.uint8)
    cv2.multiply(region, cv2.bitwise_not(coverage), dst=region, scale=1 / 255)
    cv2.add(region, cv2.multiply(outline, coverage, scale=1 / 255), dst=region)
