from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.evaluation.metrics import (
    accuracy,
    auc,
    ced,
    failure_rate,
    mean_errors,
    nme,
    point_errors,
)


def faces(count: int = 3) -> np.ndarray:
    """Faces whose outer eye corners are 50 px apart."""
    points = np.random.default_rng(0).uniform(0, 100, (count, 68, 2)).astype(np.float32)
    points[:, 36], points[:, 45] = (20, 40), (50, 80)
    return points


def test_a_shift_by_the_eye_distance_is_100_percent() -> None:
    true = faces()
    shifted = true + np.array([50, 0], np.float32)
    assert nme(shifted, true, IBUG68) == pytest.approx(np.full(3, 100.0), rel=1e-5)


def test_one_wrong_point_counts_a_sixty_eighth() -> None:
    true = faces(1)
    predicted = true.copy()
    predicted[0, 30] += (3, 4)
    assert nme(predicted, true, IBUG68)[0] == pytest.approx(10 / 68, rel=1e-4)
    assert point_errors(predicted, true, IBUG68)[0, 30] == pytest.approx(10, rel=1e-4)


def test_the_failure_rate_is_strictly_above_the_threshold() -> None:
    assert failure_rate(np.array([5.0, 10.0, 12.0, 20.0]), 10) == 50


def test_auc_is_the_area_under_the_ced() -> None:
    errors = np.array([2.0, 4.0, 30.0])
    assert auc(errors, 10) == pytest.approx(100 * (0.8 + 0.6 + 0) / 3)
    x, y = ced(errors, 10)
    np.testing.assert_allclose(x, [0, 2, 4, 10])
    np.testing.assert_allclose(y, [0, 1 / 3, 2 / 3, 2 / 3])


def test_regions_have_separate_errors() -> None:
    true = faces()
    predicted = true.copy()
    predicted[:, :17] += (5, 0)
    measured = accuracy(predicted, true, IBUG68)
    assert measured.regions["jaw"] == pytest.approx(10, rel=1e-4)
    assert measured.regions["left_eye"] == 0
    assert measured.count == 3


def test_points_without_a_label_count_in_no_metric() -> None:
    true = faces()
    true[:, 36:48] += np.random.default_rng(1).uniform(0, 9, (3, 12, 2)).astype(np.float32)
    predicted = true + np.array([3, 4], np.float32)
    labelled = np.ones((3, 68), np.bool_)
    labelled[0, 30] = labelled[1, 37] = labelled[:, 61] = False
    expected = accuracy(predicted, true, IBUG68, labelled)
    predicted[~labelled] = 1e6
    true[~labelled] += 99
    measured = accuracy(predicted, true, IBUG68, labelled)
    assert measured == expected
    assert measured.openings.keys() == {"eyelids", "inner lips"}
    errors = point_errors(predicted, true, IBUG68, labelled)
    np.testing.assert_array_equal(np.isnan(errors), ~labelled)
    np.testing.assert_allclose(
        mean_errors(errors, 0, labelled)[61:63], [np.nan, errors[:, 62].mean()]
    )


def test_regions_and_openings_without_a_label_are_left_out() -> None:
    true = faces()
    labelled = np.ones((3, 68), np.bool_)
    labelled[:, 60:] = False
    measured = accuracy(true + 1, true, IBUG68, labelled)
    assert "inner_lips" not in measured.regions
    assert measured.openings.keys() == {"eyelids"}
    assert np.isfinite(measured.nme)


def test_a_prediction_that_is_not_finite_is_no_missing_label() -> None:
    true, labelled = faces(), np.ones((3, 68), np.bool_)
    labelled[0, 0] = False
    predicted = true.copy()
    predicted[1, 5] = np.nan
    assert np.isnan(accuracy(predicted, true, IBUG68, labelled).nme)
