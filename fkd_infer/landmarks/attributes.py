"""What records can say of a face beyond its points: head pose and ratios, where asked for."""

from __future__ import annotations

from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.aspect_ratios import Ratios, ratios
from fkd_infer.landmarks.head_pose import Pose, head_pose
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme

FIELDS: dict[Extra, tuple[str, ...]] = {"pose": Pose._fields, "ratios": Ratios._fields}
"""Names of an extra's numbers, in order."""
DIGITS: dict[Extra, int] = {"pose": 2, "ratios": 4}
"""Decimals that are written."""


def sorted_extras(extras: frozenset[Extra]) -> tuple[Extra, ...]:
    """The extras as files have them, whatever order they were asked for in."""
    return tuple(extra for extra in EXTRAS if extra in extras)


def measure(
    extra: Extra, points: Floats, scheme: LandmarkScheme, width: int, height: int
) -> Pose | Ratios | None:
    """An extra of a face in a frame of width × height; None where it has none, which are all
    faces of schemes other than ibug68."""
    if scheme != IBUG68:
        return None
    return head_pose(points, width, height) if extra == "pose" else ratios(points)
