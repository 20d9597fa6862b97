"""Boxes (n, 4), xyxy in pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.errors import InvalidBoxError
from fkd_infer.geometry.arrays import Floats, float32s
from fkd_infer.geometry.rules import BoxRule, CropRule

_MAX_COORDINATE, _MIN_SIDE = 1e9, float(np.float32(1e-6))
"""Largest coordinate and shortest side of a box, in pixels, so that nothing overflows."""


def as_boxes(boxes: ArrayLike) -> Floats:
    """Boxes as float32 (n, 4), xyxy; raises InvalidBoxError for anything else."""
    try:
        with np.errstate(over="ignore"):
            table = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidBoxError("got something other than a table of numbers") from error
    table = table.reshape(0, 4) if table.size == 0 else table
    if table.ndim != 2 or table.shape[1] != 4:
        raise InvalidBoxError(f"got shape {table.shape}")
    if not all(_has_area(*box) for box in table.tolist()):
        raise InvalidBoxError(_fault(table))
    return table


def _has_area(left: float, top: float, right: float, bottom: float) -> bool:
    """Whether a box is within the limits and not empty; False for NaN.

    For a few boxes, this is quicker than calls of numpy.
    """
    return (
        left >= -_MAX_COORDINATE
        and top >= -_MAX_COORDINATE
        and right <= _MAX_COORDINATE
        and bottom <= _MAX_COORDINATE
        and right - left >= _MIN_SIDE
        and bottom - top >= _MIN_SIDE
    )


def _fault(boxes: Floats) -> str:
    """What is wrong with boxes (n, 4), one of which at least is invalid."""
    if not np.isfinite(boxes).all():
        return "got a value that is not finite"
    if (np.abs(boxes) > _MAX_COORDINATE).any():
        return f"got a value beyond {_MAX_COORDINATE:g} pixels"
    empty = next(box for box in boxes.tolist() if not _has_area(*box))
    return f"got {empty}, which has no area"


def points_box(points: ArrayLike) -> Floats:
    """Tight boxes (..., 4), xyxy, of points (..., n, 2)."""
    points = np.asarray(points, dtype=np.float32)
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


class Square(NamedTuple):
    """A square: its centre and its side, in numbers that float32 has."""

    x: float
    y: float
    side: float


def derived_squares(
    boxes: Floats, rule: BoxRule | CropRule, rolls: Floats | None = None
) -> list[Square]:
    """The squares that a rule derives from boxes (n, 4).

    The rule's shift turns with the faces: `rolls` (n,) in degrees, clockwise; None: all upright.
    """
    scale, *shift = float32s(rule.scale, *rule.shift)
    if rolls is None or rule.shift == (0, 0):
        return [_derived_square(box, scale, shift) for box in boxes.tolist()]
    shifts = _turned_shifts(rule, rolls).tolist()
    pairs = zip(boxes.tolist(), shifts, strict=True)
    return [_derived_square(box, scale, turned) for box, turned in pairs]


def _derived_square(box: list[float], scale: float, shift: list[float]) -> Square:
    """Computes in plain numbers, which for a few faces is quicker than in small arrays; rounded as
    these, since end-to-end files compute in float32."""
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    x, y, longer = float32s((left + right) / 2, (top + bottom) / 2, longer)
    move_x, move_y, side = float32s(longer * shift[0], longer * shift[1], longer * scale)
    return Square(*float32s(x + move_x, y + move_y, side))


def _turned_shifts(rule: BoxRule | CropRule, rolls: Floats) -> Floats:
    """The rule's shift for each face (n, 2)."""
    x, y = rule.shift
    cos, sin = np.cos(np.radians(rolls)), np.sin(np.radians(rolls))
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1).astype(np.float32)


def apply_rule(
    boxes: Floats, rule: BoxRule | CropRule, rolls: Floats | None = None
) -> tuple[Floats, Floats]:
    """Centres (n, 2) and sides (n,) of the squares that a rule derives from boxes (n, 4).

    `rolls` as in derived_squares.
    """
    squares = np.array(derived_squares(boxes, rule, rolls), np.float32).reshape(-1, 3)
    return squares[:, :2], squares[:, 2]


def derived_boxes(boxes: Floats, rule: BoxRule | CropRule, rolls: Floats | None = None) -> Floats:
    """The squares that a rule derives from boxes (n, 4), as boxes (n, 4) too."""
    halves = [(x, y, side / 2) for x, y, side in derived_squares(boxes, rule, rolls)]
    edges = [(x - half, y - half, x + half, y + half) for x, y, half in halves]
    return np.array(edges, np.float32).reshape(-1, 4)


def square_boxes(centres: Floats, sides: Floats) -> Floats:
    """Square boxes (n, 4), xyxy, from centres (n, 2) and sides (n,)."""
    half = sides[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)
