"""Which parts of a frame a detector is shown, at what size, and what it found in all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_infer.errors import SettingsError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.boxes import apply_rule
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.nms import coverage, suppress
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections

_OVERLAP, _COVERED = 0.45, 0.7
"""IoU, or share of the smaller one, from which boxes of two views are of one face."""
_ENLARGED = 0.5
"""A frame is enlarged by no more than one over this, for faces too small for a detector."""
_EDGE = 2.0
"""Pixels of a view from its edge, within which a box may be cut off by it."""


@dataclass(frozen=True, slots=True)
class Search:
    """How frames are searched: at `max_size` pixels of their longer side at most; for faces, from
    brows to chin, of at least `min_face` pixels of the frame, smaller ones being left out, and
    searched for in tiles where the whole frame would show them too small (None: as it comes);
    and boxes with at least `min_score` (None: as the detector has it).

    Raises SettingsError for what cannot be searched with.
    """

    max_size: int
    min_face: float | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        if self.max_size < 64:
            raise SettingsError("max_size", f"is {self.max_size}, and has to be 64 pixels or more")
        if self.min_face is not None and not 4 <= self.min_face < math.inf:
            raise SettingsError("min_face", f"is {self.min_face}, and has to be 4 pixels or more")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise SettingsError("min_score", f"is {self.min_score}, and has to be from 0 to 1")


@dataclass(frozen=True, slots=True)
class View:
    """A part of a frame, in its pixels; `factor` is by how much it is reduced."""

    left: int
    top: int
    right: int
    bottom: int
    factor: float

    def shown(self, image: Pixels) -> tuple[Pixels, Floats]:
        """Its pixels as they are searched, and the matrix (2, 3) from them to the frame."""
        part = image[self.top : self.bottom, self.left : self.right]
        corner = np.array([self.left, self.top])
        if self.factor > 1:
            part, back = downscale(part, self.factor)
        elif self.factor < 1:
            part, back = _enlarged(part, 1 / self.factor)
        else:
            back = np.eye(2, 3)
        return part, np.column_stack([back[:, :2], back[:, 2] + corner]).astype(np.float32)


def _enlarged(image: Pixels, factor: float) -> tuple[Pixels, Matrix]:
    height, width = image.shape[:2]
    size = round(width * factor), round(height * factor)
    ratio = np.array([width / size[0], height / size[1]])
    larger = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger, np.uint8), np.column_stack([np.diag(ratio), (ratio - 1) / 2])


def plan(width: int, height: int, search: Search, smallest: float) -> list[View]:
    """The views of a frame, the whole of it first, for a detector that finds faces of `smallest`
    pixels or more.

    Where the wanted faces would be smaller than that in the whole frame, tiles follow, which share
    as much as a face takes that the whole frame just does not show. Where that is much of a tile,
    larger tiles, reduced more, come before them.
    """
    whole = max(1.0, max(width, height) / search.max_size)
    if search.min_face is None:
        return [View(0, 0, width, height, whole)]
    wanted = max(_ENLARGED, search.min_face / smallest)
    if wanted >= whole:
        return [View(0, 0, width, height, wanted if wanted > 1 else whole)]
    if max(width, height) / wanted <= search.max_size:
        return [View(0, 0, width, height, wanted)]
    views, coarser = [View(0, 0, width, height, whole)], whole
    # Tiles share half of themselves at most, in which faces fit that the views before do not show.
    step = min(0.5, 3 * smallest / search.max_size)
    levels = math.ceil(math.log(wanted / whole) / math.log(step))
    for finer in reversed(range(levels)):
        factor = wanted * (whole / wanted) ** (finer / levels)
        tile = int(search.max_size * factor)
        shared = min(tile // 2, math.ceil(1.5 * smallest * coarser))
        views += [
            View(left, top, min(left + tile, width), min(top + tile, height), factor)
            for top in _cuts(height, tile, shared)
            for left in _cuts(width, tile, shared)
        ]
        coarser = factor
    return views


def _cuts(length: int, tile: int, shared: int) -> list[int]:
    """Where tiles begin that cover a length and share so much with the next."""
    if length <= tile:
        return [0]
    count = math.ceil((length - shared) / (tile - shared))
    return [round(step * (length - tile) / (count - 1)) for step in range(count)]


def placed(found: Detections, matrix: Floats) -> Detections:
    """What was found in a view, in pixels of the frame."""
    scale, offset = np.diag(matrix[:, :2]), matrix[:, 2]
    boxes = found.boxes * np.tile(scale, 2) + np.tile(offset, 2)
    points = None if found.points is None else (found.points * scale + offset).astype(np.float32)
    return Detections(boxes.astype(np.float32), found.scores, points)


def joined(parts: Sequence[Detections], views: Sequence[View], size: tuple[int, int]) -> Detections:
    """What was found in all views of a frame of (width, height), each face once, best first."""
    kept = [
        _without_cut(part, view, size) if number else part
        for number, (part, view) in enumerate(zip(parts, views, strict=True))
    ]
    both = Detections.joined(kept)
    both = both.rows(suppress(both.boxes, both.scores, _OVERLAP))
    return both.rows(suppress(both.boxes, both.scores, _COVERED, coverage))


def _without_cut(found: Detections, view: View, size: tuple[int, int]) -> Detections:
    """Without boxes that a tile's edge may have cut off: another view has them whole."""
    low, high = np.array([view.left, view.top]), np.array([view.right, view.bottom])
    # Whole numbers are pixel centres.
    margin = _EDGE * view.factor - 0.5, _EDGE * view.factor + 0.5
    # The frame's own edges have nothing beyond.
    start = np.where(low > 0, low + margin[0], -np.inf)
    end = np.where(high < size, high - margin[1], np.inf)
    inside = (found.boxes[:, :2] >= start).all(axis=1) & (found.boxes[:, 2:] <= end).all(axis=1)
    return found.rows(np.flatnonzero(inside))


def wanted(found: Detections, rule: BoxRule, min_face: float, min_score: float) -> Detections:
    """Those that are large enough, in pixels from brows to chin, and sure enough."""
    keep = found.scores >= min_score
    keep &= apply_rule(found.boxes, rule)[1] >= min_face
    return found if keep.all() else found.rows(np.flatnonzero(keep))
