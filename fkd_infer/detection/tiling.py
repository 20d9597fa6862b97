"""Views: the parts of a frame that a detector searches, their scale, and how results are merged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_infer.choices import Roll
from fkd_infer.errors import SettingsError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.boxes import apply_rule
from fkd_infer.geometry.nms import coverage, suppress
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.geometry.transforms import transform
from fkd_infer.system.arguments import Share, check_fields
from fkd_infer.types import Detections

_MAX_IOU, _MAX_COVERAGE = 0.45, 0.7
"""Boxes of two views with a larger IoU, or share of the smaller box, are of one face."""
_MAX_TURNED_COVERAGE = 0.4
"""The same for boxes that were found in different directions: a face is not framed alike in two."""
_MIN_FACTOR = 0.5
"""A frame is enlarged to twice its size at most, for faces too small for a detector."""
_EDGE_PX = 2.0
"""A box this near to the edge of a view, in its pixels, may be cut off."""


@dataclass(frozen=True, slots=True)
class Search:
    """How a detector searches frames. Raises SettingsError for values that make no sense.

    Examples:
        >>> import fkd_infer
        >>> fkd_infer.Search(max_size=1280, min_face=24)
        Search(max_size=1280, min_face=24, min_score=None, roll='upright')
    """

    max_size: int
    """Frames whose longer side is above this, in pixels, are searched at this size; 64 or more."""
    min_face: float | None = None
    """Faces of fewer pixels of the frame, from brows to chin, are left out, and tiles are searched
    for those that the downscaled frame would show too small; None: no tiles, no faces left out."""
    min_score: Share | None = None
    """Boxes with lower scores, from 0 to 1, are left out; None: the detector's own threshold."""
    roll: Roll = "upright"
    """"any" also searches for faces that are sideways or upside down."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_size < 64:
            raise SettingsError("max_size", f"is {self.max_size}, and has to be 64 pixels or more")
        if self.min_face is not None and not 4 <= self.min_face < math.inf:
            raise SettingsError("min_face", f"is {self.min_face}, and has to be 4 pixels or more")

    @property
    def quarter_turns(self) -> tuple[int, ...]:
        """By how many quarters of a circle frames are turned to be searched."""
        return (0, 1, 2, 3) if self.roll == "any" else (0,)


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of a frame, in its pixels, searched at 1 / `factor` of its size."""

    left: int
    top: int
    right: int
    bottom: int
    factor: float

    def extract(self, image: Pixels) -> tuple[Pixels, Floats]:
        """The rescaled pixels of the view, and the matrix (2, 3) from them to the frame."""
        part = image[self.top : self.bottom, self.left : self.right]
        corner = np.array([self.left, self.top])
        if self.factor > 1:
            part, to_part = _reduce(part, self.factor)
        elif self.factor < 1:
            part, to_part = _interpolate(part, _size_at(part, self.factor))
        else:
            to_part = np.eye(2, 3)
        return part, np.column_stack([to_part[:, :2], to_part[:, 2] + corner]).astype(np.float32)


def _reduce(image: Pixels, factor: float) -> tuple[Pixels, Matrix]:
    """An image at 1 / `factor` of its size, and the matrix (2, 3) back to the original.

    It is halved by averaging as often as possible, without an odd last row or column, and then
    interpolated, which takes a fifth of the time of averaging areas of any size.
    """
    size = _size_at(image, factor)
    halved = 1
    while factor / halved >= 2 and min(image.shape[:2]) >= 2:
        height, width = (side // 2 for side in image.shape[:2])
        pairs = image[: 2 * height, : 2 * width]
        averaged = cv2.resize(pairs, (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(averaged, np.uint8)
        halved *= 2
    small, to_halved = _interpolate(image, size)
    return small, halved * to_halved + [[0, 0, (halved - 1) / 2]] * 2


def _interpolate(image: Pixels, size: tuple[int, int]) -> tuple[Pixels, Matrix]:
    """An image at another size (width, height), and the matrix (2, 3) back to the original."""
    ratio = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8), np.column_stack([np.diag(ratio), (ratio - 1) / 2])


def _size_at(image: Pixels, factor: float) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(1, round(width / factor)), max(1, round(height / factor))


def plan_views(
    width: int,
    height: int,
    search: Search,
    smallest_face: float,
    largest_face: float = math.inf,
) -> list[View]:
    """The views of a frame: the frame itself, and tiles if it has to be searched for small faces.

    `smallest_face` and `largest_face` are the sizes, in searched pixels, from and up to which the
    detector finds faces. A frame in which a larger face has room is searched downscaled as well.
    """
    views = _frame_and_tiles(width, height, search, smallest_face)
    frame = views[0]
    factor = max(width, height) / largest_face
    return [*views, View(0, 0, width, height, factor)] if factor > frame.factor else views


def _frame_and_tiles(width: int, height: int, search: Search, smallest_face: float) -> list[View]:
    """The frame, then its tiles.

    Tiles overlap by the size of a face that the view before just misses. If that is a large part
    of a tile, levels of larger, more downscaled tiles come in between.
    """
    frame_factor = max(1.0, max(width, height) / search.max_size)
    if search.min_face is None:
        return [View(0, 0, width, height, frame_factor)]
    factor = max(_MIN_FACTOR, search.min_face / smallest_face)
    if factor >= frame_factor:
        return [View(0, 0, width, height, factor if factor > 1 else frame_factor)]
    if max(width, height) / factor <= search.max_size:
        return [View(0, 0, width, height, factor)]
    views, coarser = [View(0, 0, width, height, frame_factor)], frame_factor
    # Tiles overlap by half at most; faces that the coarser views miss fit into the overlap.
    step = min(0.5, 3 * smallest_face / search.max_size)
    levels = math.ceil(math.log(factor / frame_factor) / math.log(step))
    for level in reversed(range(levels)):
        level_factor = factor * (frame_factor / factor) ** (level / levels)
        tile = int(search.max_size * level_factor)
        overlap = min(tile // 2, math.ceil(1.5 * smallest_face * coarser))
        views += _tiles(width, height, tile, overlap, level_factor)
        coarser = level_factor
    return views


def _tiles(width: int, height: int, tile: int, overlap: int, factor: float) -> list[View]:
    return [
        View(left, top, min(left + tile, width), min(top + tile, height), factor)
        for top in _tile_starts(height, tile, overlap)
        for left in _tile_starts(width, tile, overlap)
    ]


def _tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where evenly spread tiles start that cover a length and overlap by so much at least."""
    if length <= tile:
        return [0]
    count = math.ceil((length - overlap) / (tile - overlap))
    return [round(step * (length - tile) / (count - 1)) for step in range(count)]


def to_frame(detections: Detections, matrix: Floats) -> Detections:
    """Detections of a view in pixels of the frame."""
    scale, offset = np.diag(matrix[:, :2]), matrix[:, 2]
    boxes = detections.boxes * np.tile(scale, 2) + np.tile(offset, 2)
    points = detections.points
    if points is not None:
        points = (points * scale + offset).astype(np.float32)
    return Detections(boxes.astype(np.float32), detections.scores, points, detections.rolls)


def turn(image: Pixels, quarters: int) -> Pixels:
    """An image turned counterclockwise by quarters of a circle."""
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def turn_back(detections: Detections, quarters: int, width: int, height: int) -> Detections:
    """Detections in an image that was turned by `turn`, in pixels of the image of this size."""
    matrix = _BACK[quarters](width - 1, height - 1)
    low, high = detections.boxes[:, :2], detections.boxes[:, 2:]
    corners = transform(np.stack([low, high], axis=1), matrix)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    points = None if detections.points is None else transform(detections.points, matrix)
    rolls = np.full(len(detections), 90 * quarters, np.float32)
    return Detections(boxes, detections.scores, points, rolls)


_BACK: tuple[Callable[[int, int], Matrix], ...] = (
    lambda _right, _bottom: np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    lambda right, _bottom: np.array([[0.0, -1.0, right], [1.0, 0.0, 0.0]]),
    lambda right, bottom: np.array([[-1.0, 0.0, right], [0.0, -1.0, bottom]]),
    lambda _right, bottom: np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, bottom]]),
)
"""By quarters: the matrix (2, 3) from a turned image back, for the last column and row."""


def merge(parts: Sequence[Detections]) -> Detections:
    """All detections of several searches of the same pixels, each face once; best first."""
    merged = Detections.concatenate(parts)
    merged = merged.select(suppress(merged.boxes, merged.scores, _MAX_IOU))
    return merged.select(suppress(merged.boxes, merged.scores, _MAX_COVERAGE, coverage))


def merge_turns(parts: Sequence[Detections]) -> Detections:
    """All detections of searches of the same pixels in several directions, each face once."""
    merged = merge(parts)
    rolls, overlap = merged.known_rolls(), coverage(merged.boxes, merged.boxes)
    clashing = (overlap > _MAX_TURNED_COVERAGE) & (rolls[:, None] != rolls)
    rows: list[int] = []
    for row in range(len(merged)):
        if not clashing[row, rows].any():
            rows.append(row)
    return merged.select(np.array(rows, np.intp))


def merge_views(
    parts: Sequence[Detections], views: Sequence[View], size: tuple[int, int]
) -> Detections:
    """Merges the detections of all views of a frame of (width, height); best first."""
    first, *tiles = parts
    inside = [_inside(part, view, size) for part, view in zip(tiles, views[1:], strict=True)]
    return merge([first, *inside])


def _inside(detections: Detections, view: View, size: tuple[int, int]) -> Detections:
    """Leaves out boxes that a tile's edge may have cut off; a neighbouring tile has them all."""
    low, high = np.array([view.left, view.top]), np.array([view.right, view.bottom])
    # Integers are pixel centres.
    margin = _EDGE_PX * view.factor - 0.5, _EDGE_PX * view.factor + 0.5
    # Beyond the frame's own edges there is nothing to cut off.
    start = np.where(low > 0, low + margin[0], -np.inf)
    end = np.where(high < size, high - margin[1], np.inf)
    boxes = detections.boxes
    inside = (boxes[:, :2] >= start).all(axis=1) & (boxes[:, 2:] <= end).all(axis=1)
    return detections.select(np.flatnonzero(inside))


def select_detections(
    detections: Detections, rule: BoxRule, min_face: float, min_score: float
) -> Detections:
    """Leaves out faces that are too small, in pixels from brows to chin, or score too low."""
    keep = detections.scores >= min_score
    keep &= apply_rule(detections.boxes, rule)[1] >= min_face
    return detections if keep.all() else detections.select(np.flatnonzero(keep))
