from __future__ import annotations

import numpy as np

from fkd_infer.schemes import IBUG68


def test_every_point_is_in_one_group() -> None:
    members = [point for group in IBUG68.groups.values() for point in group]
    assert sorted(members) == list(range(68))


def test_mirroring_twice_changes_nothing() -> None:
    permutation = IBUG68.flip_permutation
    np.testing.assert_array_equal(permutation[permutation], np.arange(68))


def test_a_mirror_keeps_the_middle_and_swaps_the_sides() -> None:
    permutation = IBUG68.flip_permutation
    middle = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert [p for p in range(68) if permutation[p] == p] == middle
    assert permutation[36] == 45
    assert permutation[48] == 54
    assert permutation[0] == 16
