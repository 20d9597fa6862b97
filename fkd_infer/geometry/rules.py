"""Rules that lead from one kind of square box to another. Imports no numpy: `--help` reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fkd_infer.choices import Border


@dataclass(frozen=True)
class CropRule:
    """Places the crop relative to the tight box of a face's points.

    The crop is a square: its side is `scale` times the longer side of the box, and its centre is
    the box's centre moved by `shift`, in units of that longer side. `border` fills what is
    outside the frame. Raises ValueError if the scale is not above 0 or a number is not finite.
    """

    scale: float
    shift: tuple[float, float] = (0.0, 0.0)
    border: Border = "replicate"

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


@dataclass(frozen=True)
class BoxRule:
    """Calibration of a detector: leads from its box to the tight square around the points.

    `scale` and `shift` as in CropRule, with the same errors.
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
"""The rule of boxes that are tight around the points already."""
