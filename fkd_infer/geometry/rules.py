"""Rules that lead from one kind of square box to another. Imports no numpy: `--help` reads them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fkd_infer.choices import Border


@dataclass(frozen=True)
class CropRule:
    """Places the crop relative to the tight box of a face's points.

    The crop is a square around the box's centre, in whose units all is given. Raises ValueError if
    the scale is not above 0 or a number is not finite.

    Examples:
        >>> import fkd_infer
        >>> fkd_infer.load().card.crop
        CropRule(scale=1.25, shift=(0.0, 0.0), border='replicate')
    """

    scale: float
    """The crop's side, relative to the longer side of the box."""
    shift: tuple[float, float] = (0.0, 0.0)
    """How far the centre is moved to the right and down, relative to that longer side."""
    border: Border = "replicate"
    """What fills the crop outside of the frame: the nearest pixels ("replicate"), or black."""

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


@dataclass(frozen=True)
class BoxRule:
    """Calibration of a detector: leads from its box to the tight square around the points.

    Raises ValueError if the scale is not above 0 or a number is not finite.

    Examples:
        A detector draws boxes that reach up to the hair, and lie 5 % too high:

        >>> import fkd_infer
        >>> rule = fkd_infer.BoxRule(scale=0.9, shift=(0.0, 0.05))
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> fkd_infer.load().landmarks(image, [(170, 70, 280, 180)], rule).shape
        (1, 68, 2)
    """

    scale: float
    """The square's side, relative to the longer side of the box."""
    shift: tuple[float, float] = (0.0, 0.0)
    """How far its centre lies to the right of the box's centre and below, relative to that longer
    side."""

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


def _check_rule(scale: float, shift: tuple[float, float]) -> None:
    if not 0 < scale < math.inf:
        raise ValueError(f"scale is {scale}, and has to be above 0 and finite")
    if not all(map(math.isfinite, shift)):
        raise ValueError(f"shift is {shift}, and has to be finite")


POINTS_BOX = BoxRule(1.0)
"""The rule of boxes that are tight around the points already."""
