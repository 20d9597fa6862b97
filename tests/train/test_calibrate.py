"""A detector's constants, on boxes whose rule is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fkd_infer.crop import BoxRule, apply_rule, points_box, square_boxes
from fkd_train.calibrate import fit_logistic, fit_rule, main


def test_the_rule_that_made_the_boxes_is_found_again() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(50, 500, (300, 2)).astype(np.float32)
    sides = rng.uniform(30, 200, 300).astype(np.float32)
    boxes = square_boxes(centres, sides)
    rule = BoxRule(0.8, (0.02, 0.15))
    tight = square_boxes(*apply_rule(boxes, rule))
    corners = tight.reshape(-1, 2, 2)  # two points whose tight box is that
    np.testing.assert_allclose(points_box(corners), tight)
    found = fit_rule(boxes, corners)
    assert found.scale == pytest.approx(0.8, abs=1e-3)
    assert found.shift == pytest.approx((0.02, 0.15), abs=1e-3)


def test_a_logistic_curve_is_found_again() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-4, 6, 40_000)
    truths = rng.random(len(values)) < 1 / (1 + np.exp(-(0.9 * values + 0.4)))
    assert fit_logistic(values, truths) == pytest.approx((0.9, 0.4), abs=0.08)


def test_bad_data_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "--data names the folder" in done.stderr
