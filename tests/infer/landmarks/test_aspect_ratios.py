"""Eyes and mouths drawn with known heights and widths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.landmarks.aspect_ratios import aspect_ratios


def drawn(left: float = 6, right: float = 3, mouth: float = 10) -> NDArray[np.float32]:
    """Eyes 20 wide and a mouth 40 wide, of given heights."""
    points = np.zeros((68, 2), np.float32)
    for first, x, height in ((36, 0, right), (42, 60, left)):
        up, down = -height / 2, height / 2
        ring = [(0, 0), (6, up), (14, up), (20, 0), (14, down), (6, down)]
        points[first : first + 6] = np.add(ring, (x, 50))
    up, down = -mouth / 2, mouth / 2
    lips = [(0, 0), (10, up), (20, up), (30, up), (40, 0), (30, down), (20, down), (10, down)]
    points[60:68] = np.add(lips, (20, 120))
    return points


def test_ratios_are_heights_over_widths() -> None:
    found = aspect_ratios(drawn())
    assert found is not None
    assert found._asdict() == pytest.approx({"left_eye": 0.3, "right_eye": 0.15, "mouth": 0.25})


def test_closed_is_zero() -> None:
    assert aspect_ratios(drawn(0, 0, 0)) == (0, 0, 0)


def test_every_eyelid_point_counts() -> None:
    points = drawn()
    points[43, 1] -= 4  # one of the left eye's two upper points: its mean height grows by 2
    found = aspect_ratios(points)
    assert found is not None
    assert found.left_eye == pytest.approx(0.4)
    assert found.right_eye == pytest.approx(0.15)


def test_size_position_and_roll_do_not_matter() -> None:
    cos, sin = np.cos(0.7), np.sin(0.7)
    moved = 3.5 * drawn() @ np.array([[cos, sin], [-sin, cos]]) + (300, -40)
    np.testing.assert_allclose(
        aspect_ratios(moved.astype(np.float32)) or (), (0.3, 0.15, 0.25), rtol=1e-4
    )


def test_without_a_width_there_is_no_ratio() -> None:
    assert aspect_ratios(np.zeros((68, 2), np.float32)) is None
    assert aspect_ratios(np.full((68, 2), np.nan, np.float32)) is None
