"""Boxes (n, 4), xyxy in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.errors import InvalidBoxError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.rules import BoxRule, CropRule

_MAX_COORDINATE, _MIN_SIDE = 1e9, float(np.float32(1e-6))
"""Largest coordinate and shortest side of a box, in pixels, so that nothing overflows."""


def as_boxes(boxes: ArrayLike) -> Floats:
    """Boxes as float32 (n, 4), xyxy; raises InvalidBoxError for anything else."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidBoxError("got something other than a table of numbers") from error
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise InvalidBoxError(f"got shape {array.shape}")
    if not all(_has_area(*box) for box in array.tolist()):
        raise InvalidBoxError(_fault(array))
    return array


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
    array = np.asarray(points, dtype=np.float32)
    return np.concatenate([array.min(axis=-2), array.max(axis=-2)], axis=-1)


def apply_rule(
    boxes: Floats, rule: BoxRule | CropRule, rolls: Floats | None = None
) -> tuple[Floats, Floats]:
    """Centres (n, 2) and sides (n,) of the squares that a rule derives from boxes (n, 4).

    The rule's shift turns with the faces: `rolls` (n,) in degrees, clockwise; None: all upright.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    longer = (high - low).max(axis=1)
    centres = (low + high) / np.float32(2)
    if rule.shift != (0, 0):
        centres += longer[:, None] * _turned_shifts(rule, rolls)
    return centres, longer * np.float32(rule.scale)


def _turned_shifts(rule: BoxRule | CropRule, rolls: Floats | None) -> Floats:
    """The rule's shift (2,), or one for each face (n, 2)."""
    if rolls is None:
        return np.array(rule.shift, np.float32)
    x, y = rule.shift
    cos, sin = np.cos(np.radians(rolls)), np.sin(np.radians(rolls))
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1).astype(np.float32)


def square_boxes(centres: Floats, sides: Floats) -> Floats:
    """Square boxes (n, 4), xyxy, from centres (n, 2) and sides (n,)."""
    half = sides[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)
