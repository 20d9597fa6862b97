"""Boxes (n, 4), xyxy in pixels, and the rules that lead from one kind to another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.choices import Border
from fkd_infer.errors import InvalidBoxError
from fkd_infer.geometry.arrays import Floats

_FARTHEST, _SHORTEST = 1e9, 1e-6
"""Pixels of a box's coordinates at most, and of its sides at least, so that nothing overflows."""


@dataclass(frozen=True, slots=True)
class CropRule:
    """Where the crop square lies relative to the tight box of a face's points.

    Its side is `scale` times the box's longer side; its centre is the box's centre moved by
    `shift`, in units of that longer side. `border` fills what lies outside the frame. Raises
    ValueError for a scale that is not above 0, and for numbers that are not finite.
    """

    scale: float
    shift: tuple[float, float] = (0.0, 0.0)
    border: Border = "replicate"

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


@dataclass(frozen=True, slots=True)
class BoxRule:
    """Calibration of a detector: from its box to the tight box of the points (a square).

    The same arithmetic and the same errors as in CropRule; every detector draws its boxes
    differently.
    """

    scale: float
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


def _check_rule(scale: float, shift: tuple[float, float]) -> None:
    if not 0 < scale < math.inf:
        raise ValueError(f"scale is {scale}, and has to be above 0 and finite")
    if not all(map(math.isfinite, shift)):
        raise ValueError(f"shift is {shift}, and has to be finite")


POINTS_BOX = BoxRule(1.0)
"""The rule for boxes that are tight boxes of the points already."""


def as_boxes(boxes: ArrayLike) -> Floats:
    """Boxes as float32 (n, 4), xyxy; raises InvalidBoxError for anything else."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidBoxError("got what is no table of numbers") from error
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise InvalidBoxError(f"got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidBoxError("got a value that is not finite")
    if (np.abs(array) > _FARTHEST).any():
        raise InvalidBoxError(f"got a value beyond {_FARTHEST:g} pixels")
    empty = (array[:, 2:] - array[:, :2] < _SHORTEST).any(axis=1)
    if empty.any():
        raise InvalidBoxError(f"got {array[empty][0].tolist()}, which has no area")
    return array


def points_box(points: ArrayLike) -> Floats:
    """Tight boxes (..., 4), xyxy, of points (..., n, 2)."""
    array = np.asarray(points, dtype=np.float32)
    return np.concatenate([array.min(axis=-2), array.max(axis=-2)], axis=-1)


def apply_rule(boxes: Floats, rule: BoxRule | CropRule) -> tuple[Floats, Floats]:
    """Centres (n, 2) and sides (n,) of the squares that a rule makes of boxes (n, 4)."""
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + longer[:, None] * np.array(rule.shift, np.float32)
    return centres, longer * np.float32(rule.scale)


def square_boxes(centres: Floats, sides: Floats) -> Floats:
    """Square boxes (n, 4), xyxy, from centres (n, 2) and sides (n,)."""
    half = sides[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)
