"""Discs at subpixel positions."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.drawing.marks import Disc, draw_discs


@pytest.mark.parametrize("radius", [0.9, 1.5, 2.75, 6.0, 12.5, 16.25])
@pytest.mark.parametrize("centre", [(20.0, 20.0), (20.5, 19.25), (20.13, 20.87), (19.97, 20.01)])
def test_a_disc_has_its_position_and_area(radius: float, centre: tuple[float, float]) -> None:
    canvas = np.zeros((40, 40, 3), np.uint8)
    draw_discs(canvas, np.array([centre], np.float32), [Disc(radius, (255, 255, 255))])
    coverage = canvas[..., 0] / 255
    rows, columns = np.mgrid[:40, :40]
    area = coverage.sum()
    nearest = round(radius * 8) / 8
    assert area == pytest.approx(np.pi * nearest**2, rel=0.03)
    assert (coverage * columns).sum() / area == pytest.approx(centre[0], abs=0.05)
    assert (coverage * rows).sum() / area == pytest.approx(centre[1], abs=0.05)


def test_a_huge_disc_is_clipped_to_the_picture() -> None:
    canvas = np.zeros((40, 40, 3), np.uint8)
    draw_discs(
        canvas, np.array([[1e5, 20], [-1e6, 1e6]], np.float32), [Disc(1e5 - 20, (255, 255, 255))]
    )
    assert not canvas[:, :19].any()
    assert canvas[:, 21:].all()


def test_the_edge_is_blended_with_the_picture() -> None:
    canvas = np.full((9, 9, 3), 200, np.uint8)
    draw_discs(canvas, np.array([[4, 4]], np.float32), [Disc(2, (0, 100, 255))])
    assert canvas[4, 4].tolist() == [0, 100, 255]
    assert canvas[0, 0].tolist() == [200, 200, 200]
    edge = canvas[4, 6].astype(int)
    assert 0 < edge[0] < 200 < edge[2] < 255


def test_a_disc_at_the_border_is_clipped_exactly() -> None:
    large, small = np.zeros((30, 30, 3), np.uint8), np.zeros((10, 10, 3), np.uint8)
    points = np.array([[10.3, 12.1], [20, 20], [9, 19.4], [np.nan, 3], [1e9, 5]], np.float32)
    draw_discs(large, points, [Disc(3, (9, 99, 199))])
    draw_discs(small, points - 10, [Disc(3, (9, 99, 199))])
    np.testing.assert_array_equal(large[10:20, 10:20], small)
