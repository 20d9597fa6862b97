"""Landmark schemes: names, groups and symmetries of a face's points.

iBUG's 68 points stand here; the other built-in schemes are read from `tables/` when they are named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.system.files.strict_dataclass import parse_dataclass
from fkd_infer.system.files.text_checks import name_problem

Pair = tuple[int, int]
MAX_POINTS = 5000
"""Points of a scheme."""


@dataclass(frozen=True)
class LandmarkScheme:
    """Names, groups and symmetries of a set of n points, numbered from 0.

    Raises ValueError for an inconsistent scheme.
    """

    name: str
    count: int
    groups: dict[str, tuple[int, ...]]
    """Facial region → its points, in drawing order; every point is in exactly one group."""
    mirror_pairs: tuple[Pair, ...]
    """(left, right) points that swap in a mirrored image."""
    outer_eye_corners: Pair
    """The two points whose distance normalises errors (interocular distance)."""
    closed: tuple[str, ...] = ()
    """Groups whose last point joins the first when drawn."""
    unjoined: tuple[str, ...] = ()
    """Groups whose points are not joined by a line when drawn, such as pupils and skin."""

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"count is {self.count}, but errors are measured between two points")
        if self.count > MAX_POINTS:
            raise ValueError(f"count is {self.count}, and {MAX_POINTS} points are allowed")
        for name in (self.name, *self.groups, *self.closed, *self.unjoined):
            if problem := name_problem(name):
                raise ValueError(f"the name {name[:100]!r} {problem}")
        members = [point for group in self.groups.values() for point in group]
        self._check_points("groups", members)
        self._check_points("mirror_pairs", [point for pair in self.mirror_pairs for point in pair])
        self._check_points("outer_eye_corners", self.outer_eye_corners)
        if len(members) < self.count:
            missing = next(point for point in range(self.count) if point not in members)
            raise ValueError(f"point {missing} is in none of the groups")
        for name, group in self.groups.items():
            if not group:
                raise ValueError(f"group {name!r} has no points")
        for field, names in (("closed", self.closed), ("unjoined", self.unjoined)):
            for name in names:
                if name not in self.groups:
                    raise ValueError(f"{field} names {name!r}, which is not one of the groups")
        if both := set(self.closed) & set(self.unjoined):
            raise ValueError(f"group {min(both)!r} is both closed and unjoined")

    def _check_points(self, field: str, points: Sequence[int]) -> None:
        """Checks that each point is in the scheme, and named once."""
        named = set[int]()
        for point in points:
            if not 0 <= point < self.count:
                numbers = f"{self.count} points have the numbers 0 to {self.count - 1}"
                raise ValueError(f"{field} names point {point}, but {numbers}")
            if point in named:
                raise ValueError(f"{field} names point {point} more than once")
            named.add(point)

    @cached_property
    def lines(self) -> dict[str, tuple[int, ...]]:
        """The groups whose points are joined when drawn."""
        return {name: group for name, group in self.groups.items() if name not in self.unjoined}

    @cached_property
    def flip_permutation(self) -> NDArray[np.intp]:
        """(n,) such that mirrored_points[flip_permutation] are in the scheme's order."""
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
    closed=("right_eye", "left_eye", "outer_lips", "inner_lips"),
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
"""68 points in iBUG order (Sagonas et al., 300 Faces in-the-Wild, 2013); right is the person's
right."""

_TABLES = Path(__file__).with_name("tables")


SCHEMES = (IBUG68.name, "wflw98", "coco-face", "mediapipe478", "five")
"""The names of the built-in schemes.

- `wflw98`: Wu et al., Look at Boundary, CVPR 2018: contour, nose, outlines of the rest, pupils.
- `coco-face`: the face of COCO-WholeBody (Jin et al., ECCV 2020), 68 points in iBUG's order.
- `mediapipe478`: the mesh of MediaPipe Face Mesh (Kartynnik et al., 2019), and its irises.
- `five`: eye centres, tip of the nose, corners of the mouth, as in RetinaFace (Deng et al., 2020).
"""


def find_scheme(scheme: str | LandmarkScheme) -> LandmarkScheme:
    """Returns a built-in scheme by its name, or a scheme as it is.

    Raises ValueError for an unknown name, and for another scheme with the name of iBUG's. Those of
    other built-in schemes may have been given to schemes of one's own before.
    """
    if isinstance(scheme, str):
        if scheme not in SCHEMES:
            raise ValueError(f"no scheme is called {scheme!r}; there are: {', '.join(SCHEMES)}")
        return _built_in(scheme)
    if scheme.name == IBUG68.name and scheme != IBUG68:
        raise ValueError(f"name {scheme.name!r} is that of a built-in scheme; choose another")
    return scheme


@cache
def _built_in(name: str) -> LandmarkScheme:
    """Builds a scheme, or reads it from its file in `tables/`, which has a scheme's fields."""
    if name == IBUG68.name:
        return IBUG68
    if name == "coco-face":
        return replace(IBUG68, name=name)
    table = json.loads((_TABLES / f"{name}.json").read_text("utf-8"))
    return parse_dataclass(LandmarkScheme, table, name)
