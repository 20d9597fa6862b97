"""Optional measurements of a face in records: head pose and aspect ratios."""

from __future__ import annotations

from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.aspect_ratios import AspectRatios, aspect_ratios
from fkd_infer.landmarks.head_pose import PoseAngles, head_pose
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme

FIELDS: dict[Extra, tuple[str, ...]] = {"pose": PoseAngles._fields, "ratios": AspectRatios._fields}
"""Names of the numbers of an extra, in order."""
DIGITS: dict[Extra, int] = {"pose": 2, "ratios": 4}
"""Decimals in text records."""


def sorted_extras(extras: frozenset[Extra]) -> tuple[Extra, ...]:
    """The extras in the order of records."""
    return tuple(extra for extra in EXTRAS if extra in extras)


def measure(
    extra: Extra, points: Floats, scheme: LandmarkScheme, width: int, height: int
) -> PoseAngles | AspectRatios | None:
    """An extra of a face in a frame of width × height; None if it cannot be measured, as for
    schemes other than ibug68."""
    if scheme != IBUG68:
        return None
    return head_pose(points, width, height) if extra == "pose" else aspect_ratios(points)
