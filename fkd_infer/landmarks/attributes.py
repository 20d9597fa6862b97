"""Optional measurements of a face in records: head pose, aspect ratios, and spread."""

from __future__ import annotations

from collections.abc import Sequence

from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.landmarks.aspect_ratios import AspectRatios, aspect_ratios
from fkd_infer.landmarks.head_pose import PoseAngles, head_pose
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

DIGITS: dict[Extra, int] = {"pose": 2, "ratios": 4, "spread": 2}
"""Decimals in text records."""


def fields(extra: Extra, scheme: LandmarkScheme) -> tuple[str, ...]:
    """Names of the numbers of an extra, in order."""
    if extra == "spread":
        return tuple(f"spread{point}" for point in range(scheme.count))
    return PoseAngles._fields if extra == "pose" else AspectRatios._fields


def sorted_extras(extras: frozenset[Extra]) -> tuple[Extra, ...]:
    """The extras in the order of records."""
    return tuple(extra for extra in EXTRAS if extra in extras)


def measure(
    extra: Extra, face: Face, scheme: LandmarkScheme, frame: Frame
) -> Sequence[float] | None:
    """The numbers of an extra of a face in its frame; None if it cannot be measured: pose and
    ratios of schemes other than ibug68, and spread without a network that estimates it."""
    if extra == "spread":
        return None if face.spread is None else [float(value) for value in face.spread]
    if scheme != IBUG68:
        return None
    if extra == "pose":
        return head_pose(face.points, frame.width, frame.height)
    return aspect_ratios(face.points)
