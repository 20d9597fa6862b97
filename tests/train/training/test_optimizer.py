"""The learning rate schedules."""

from __future__ import annotations

import pytest

from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.training.optimizer import build_optimizer


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100])
def test_one_cycle_ends_near_zero_even_in_short_runs(tiny: LandmarkRecipe, steps: int) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    optimizer, schedule = build_optimizer(network, tiny.optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < steps else None
    assert max(rates) <= tiny.optimizer.lr * (1 + 1e-9)
    if steps > 2:
        assert rates[-1] < 0.01 * max(rates)
