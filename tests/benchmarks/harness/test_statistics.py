"""Percentiles and bootstrap intervals of measurements."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness import statistics
from benchmarks.harness.statistics import Interval


def test_each_block_counts_once_regardless_of_its_number_of_calls() -> None:
    blocks = [[1.0, 1.0, 9.0], [2.0] * 1000, [3.0]]
    interval = statistics.median_interval(statistics.block_medians(blocks))
    assert interval.value == 2.0
    assert (interval.low, interval.high) == (1.0, 3.0)


def test_more_calls_per_block_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(10, 1, 12)
    few = [[level] for level in levels]
    many = [[level] * 500 for level in levels]
    of_few, of_many = (statistics.median_interval(statistics.block_medians(b)) for b in (few, many))
    assert of_few == of_many
    assert of_few.high - of_few.low > 0.5


def test_the_interval_has_its_nominal_coverage() -> None:
    rng = np.random.default_rng(1)
    intervals = [statistics.median_interval(rng.normal(0, 1, 20)) for _ in range(200)]
    coverage = np.mean([i.low <= 0 <= i.high for i in intervals])
    assert 0.88 <= coverage <= 0.99


def test_a_slow_round_does_not_change_the_ratio() -> None:
    drift = np.array([1.0, 3.0, 2.0, 10.0, 1.5])
    assert statistics.ratio_interval(4 * drift, 2 * drift) == Interval(2.0, 2.0, 2.0)


def test_rejects_rounds_that_do_not_pair() -> None:
    with pytest.raises(ValueError, match="do not pair"):
        statistics.ratio_interval([1.0, 2.0], [1.0])


def test_a_rate_divides_work_by_time_and_swaps_the_bounds() -> None:
    interval = statistics.rate_interval([1.0, 2.0, 4.0], work=8.0)
    assert interval == Interval(4.0, 2.0, 8.0)


def test_resamples_the_values_of_a_group_together() -> None:
    values = np.array([0.0] * 50 + [10.0] * 50)
    one_each = [str(number) for number in range(100)]
    two_groups = ["a"] * 50 + ["b"] * 50
    wide, narrow = (statistics.group_mean_interval(values, g) for g in (two_groups, one_each))
    assert wide.value == narrow.value == 5.0
    assert (wide.low, wide.high) == (0.0, 10.0)
    assert narrow.high - narrow.low < 3


def test_a_percentile_counts_the_calls_of_all_blocks() -> None:
    assert statistics.percentile([[0.0] * 90, [1.0] * 10], 50) == 0.0
    assert statistics.percentile([list(range(51)), list(range(51, 101))], 99) == 99.0


@pytest.mark.parametrize(
    ("low", "high", "overlaps"), [(0.0, 1.0, True), (2.0, 4.0, True), (3.1, 4.0, False)]
)
def test_intervals_overlap_if_they_share_a_value(low: float, high: float, overlaps: bool) -> None:
    assert Interval(2, 1, 3).overlaps(Interval(low, low, high)) is overlaps
