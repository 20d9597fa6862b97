from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_models import FIVE

from fkd_infer.landmarks.schemes import IBUG68, find_scheme


def test_every_point_is_in_one_group() -> None:
    members = [point for group in IBUG68.groups.values() for point in group]
    assert sorted(members) == list(range(68))


def test_mirroring_twice_changes_nothing() -> None:
    permutation = IBUG68.flip_permutation
    np.testing.assert_array_equal(permutation[permutation], np.arange(68))


def test_mirroring_swaps_the_sides() -> None:
    permutation = IBUG68.flip_permutation
    middle = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert [p for p in range(68) if permutation[p] == p] == middle
    assert permutation[36] == 45
    assert permutation[48] == 54
    assert permutation[0] == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1}, "count is 1"),
        ({"count": 4}, "groups names point 4, but 4 points have the numbers 0 to 3"),
        ({"count": 6}, "point 5 is in none of the groups"),
        ({"groups": {"eyes": (0, 1), "rest": (1, 2, 3, 4)}}, "groups names point 1 more than"),
        ({"groups": {"all": (0, 1, 2, 3, 4), "ears": ()}}, "group 'ears' has no points"),
        ({"mirror_pairs": ((0, 1), (1, 2))}, "mirror_pairs names point 1 more than once"),
        ({"mirror_pairs": ((2, 2),)}, "mirror_pairs names point 2 more than once"),
        ({"mirror_pairs": ((0, -1),)}, "mirror_pairs names point -1"),
        ({"outer_eye_corners": (0, 0)}, "outer_eye_corners names point 0 more than once"),
        ({"outer_eye_corners": (0, 5)}, "outer_eye_corners names point 5"),
        ({"closed": ("lips",)}, "closed names 'lips', which is not one of the groups"),
    ],
)
def test_inconsistent_schemes_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FIVE, **change)


def test_find_scheme_accepts_a_name_or_a_scheme() -> None:
    assert find_scheme("ibug68") is IBUG68
    assert find_scheme(FIVE) is FIVE
    with pytest.raises(ValueError, match="no scheme is called 'five'; there are: ibug68"):
        find_scheme("five")
    with pytest.raises(ValueError, match="choose another"):
        find_scheme(replace(FIVE, name="ibug68"))
