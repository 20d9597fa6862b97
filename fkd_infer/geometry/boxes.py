"""Boxes (n, 4), xyxy in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.errors import InvalidBoxError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.rules import BoxRule, CropRule

_MAX_COORDINATE, _MIN_SIDE = 1e9, 1e-6
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
    if not np.isfinite(array).all():
        raise InvalidBoxError("got a value that is not finite")
    if (np.abs(array) > _MAX_COORDINATE).any():
        raise InvalidBoxError(f"got a value beyond {_MAX_COORDINATE:g} pixels")
    empty = (array[:, 2:] - array[:, :2] < _MIN_SIDE).any(axis=1)
    if empty.any():
        raise InvalidBoxError(f"got {array[empty][0].tolist()}, which has no area")
    return array


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
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    shifts = np.array(rule.shift, np.float32)
    if rolls is not None:
        cos, sin = np.cos(np.radians(rolls)), np.sin(np.radians(rolls))
        x, y = rule.shift
        shifts = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1).astype(np.float32)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + longer[:, None] * shifts
    return centres, longer * np.float32(rule.scale)


def square_boxes(centres: Floats, sides: Floats) -> Floats:
    """Square boxes (n, 4), xyxy, from centres (n, 2) and sides (n,)."""
    half = sides[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)
