"""Landmark schemes: what the points of a face mean. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


@dataclass(frozen=True)
class LandmarkScheme:
    """Names, groups and symmetries of a set of n points, numbered from 0."""

    name: str
    count: int
    groups: dict[str, tuple[int, ...]]
    """Facial region → its points, in drawing order; every point is in exactly one group."""
    closed: frozenset[str]
    """Groups whose last point joins the first when drawn."""
    mirror_pairs: tuple[Pair, ...]
    """(left, right) points that change places in a mirrored image."""
    outer_eye_corners: Pair
    """The two points whose distance normalises errors (interocular distance)."""

    @cached_property
    def flip_permutation(self) -> NDArray[np.intp]:
        """(n,) such that mirrored_points[flip_permutation] are in scheme order again."""
        permutation = np.arange(self.count)
        for left, right in self.mirror_pairs:
            permutation[[left, right]] = right, left
        return permutation


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


def _mirrored(*pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[Pair, ...]:
    return tuple(pair for left, right in pairs for pair in zip(left, right, strict=True))


IBUG68 = LandmarkScheme(
    name="ibug68",
    count=68,
    groups={
        "jaw": _span(0, 16),
        "right_brow": _span(17, 21),
        "left_brow": _span(22, 26),
        "nose_bridge": _span(27, 30),
        "nose_base": _span(31, 35),
        "right_eye": _span(36, 41),
        "left_eye": _span(42, 47),
        "outer_lips": _span(48, 59),
        "inner_lips": _span(60, 67),
    },
    closed=frozenset({"right_eye", "left_eye", "outer_lips", "inner_lips"}),
    mirror_pairs=_mirrored(
        (_span(0, 7), _span(9, 16)[::-1]),
        (_span(17, 21), _span(22, 26)[::-1]),
        ((31, 32), (35, 34)),
        ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46)),
        ((48, 49, 50, 59, 58), (54, 53, 52, 55, 56)),
        ((60, 61, 67), (64, 63, 65)),
    ),
    outer_eye_corners=(36, 45),
)
"""68 points in iBUG order (Sagonas et al., 300 Faces in-the-Wild, 2013); right is the person's."""

SCHEMES: dict[str, LandmarkScheme] = {IBUG68.name: IBUG68}
