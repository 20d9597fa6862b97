"""Distances of boxes and the assignment of least cost."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import fixed_points

from fkd_infer.tracking.association import assign, centre_distances, face_distances, squares


def boxes(*centred: tuple[float, float, float]) -> np.ndarray:
    """From x, y and side."""
    return np.array([(x - s / 2, y - s / 2, x + s / 2, y + s / 2) for x, y, s in centred], "f4")


def test_distances_are_in_sides_and_far_for_another_size() -> None:
    found = face_distances(boxes((0, 0, 10)), boxes((3, 4, 10), (0, 6, 14.4), (0, 0, 17)))
    np.testing.assert_allclose(found[0, :2], [0.5, 0.5], rtol=1e-6)
    assert found[0, 2] > 1000


def test_centre_distances_are_in_sides_of_the_larger_box() -> None:
    found = centre_distances(boxes((0, 0, 10), (0, 0, 40)), boxes((0, 5, 20)))
    np.testing.assert_allclose(found, [[0.25], [0.125]])


def test_the_lowest_total_wins_over_the_nearest_pair() -> None:
    """Row 0 is nearest to column 0, but then row 1 would have no pair."""
    costs = np.array([[0.1, 0.3], [0.2, 9.0]])
    assert sorted(assign(costs, 0.5)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_empty_costs_have_no_pairs(shape: tuple[int, int]) -> None:
    assert assign(np.empty(shape), 1.0) == []


def test_pairs_stay_below_the_limit() -> None:
    costs = np.array([[0.6, 1e6, 1e6], [1e6, 0.4, 1e6]])
    assert assign(costs, 0.5) == [(1, 1)]


def test_squares_are_around_points() -> None:
    points = fixed_points()[None] * (1, 0.5)
    np.testing.assert_allclose(squares(points), [[1.5, -2.25, 13.5, 9.75]], atol=0.02)
