"""The losses on point errors."""

from __future__ import annotations

import math

import pytest
import torch

from fkd_train.losses.landmarks import LOSSES, build_loss, quality, smooth_l1, spread_loss, wing


def test_wing_is_logarithmic_near_zero_and_linear_beyond() -> None:
    near, far = torch.tensor([0.1]), torch.tensor([5.0])
    assert float(wing(near, 0.6, 0.12)) == pytest.approx(0.6 * math.log(1 + 0.1 / 0.12))
    slope = float(wing(far + 1, 0.6, 0.12) - wing(far, 0.6, 0.12))
    assert slope == pytest.approx(1, rel=1e-5)


def test_wing_has_no_step_at_its_width() -> None:
    below, above = (wing(torch.tensor([0.6 + d]), 0.6, 0.12) for d in (-1e-6, 1e-6))
    assert float(below) == pytest.approx(float(above), abs=1e-5)


def test_smooth_l1_is_half_the_square_over_its_width() -> None:
    assert float(smooth_l1(torch.tensor([0.05]), 0.1)) == pytest.approx(0.05**2 / 0.2)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_zero_at_zero_and_even(name: str) -> None:
    loss = build_loss(name, 0.6, 0.12)
    error = torch.tensor([0.3, -0.2, 2.0])
    assert float(loss(torch.zeros(3))) == 0
    assert float(loss(error)) == pytest.approx(float(loss(-error)))
    assert float(loss(error)) > 0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.15, 0.5), (0.3, 1 / 9)])
def test_the_quality_falls_with_the_error_in_eye_distances(share: float, expected: float) -> None:
    true = torch.tensor([[[10.0, 50.0], [90.0, 50.0], [50.0, 80.0]]])
    predicted = true + torch.tensor([0.0, share * 80])
    weights = torch.ones(1, 3)
    assert float(quality(predicted, true, (0, 1), weights)) == pytest.approx(expected, abs=1e-6)
    predicted[0, 2] = 1e6
    weights[0, 2] = 0
    assert float(quality(predicted, true, (0, 1), weights)) == pytest.approx(expected, abs=1e-6)


def test_the_spread_is_best_where_it_is_the_mean_error() -> None:
    errors = torch.tensor([1.0, 2.0, 6.0])
    losses = [float(spread_loss(torch.full((3,), s), errors).mean()) for s in (2.7, 3.0, 3.3)]
    assert losses[1] < losses[0]
    assert losses[1] < losses[2]
