"""Percentiles of timed calls, and intervals that count a block of calls as one observation.

The calls of a block share the state of the machine during that half second, so a thousand calls
carry little more information than one. The bootstrap (Efron, 1979) therefore resamples blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Blocks = Sequence[Sequence[float]]
"""Seconds of single calls, one sequence per block."""

RESAMPLES = 4000
COVERAGE = 95.0


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the intervals share a value."""
        return self.low <= other.high and other.low <= self.high


def block_medians(blocks: Blocks) -> Array:
    """The median (n,) of each block."""
    return np.array([np.median(block) for block in blocks])


def median_interval(values: Sequence[float] | Array) -> Interval:
    """The median of one value per block."""
    array = np.asarray(values, np.float64)
    drawn = np.median(array[_resamples(len(array))], axis=1)
    return _interval(float(np.median(array)), drawn)


def rate_interval(seconds: Sequence[float] | Array, work: float) -> Interval:
    """Work per second, from the median of the seconds of each block."""
    median = median_interval(seconds)
    return Interval(work / median.value, work / median.high, work / median.low)


def ratio_interval(
    numerator: Sequence[float] | Array, denominator: Sequence[float] | Array
) -> Interval:
    """The ratio of two medians; values at the same index come from the same round.

    Rounds are resampled, so slowness that affects a complete round does not widen the interval.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if above.shape != below.shape:
        raise ValueError(f"rounds of {above.shape} and {below.shape} do not pair")
    rows = _resamples(len(above))
    drawn = np.median(above[rows], axis=1) / np.median(below[rows], axis=1)
    return _interval(float(np.median(above) / np.median(below)), drawn)


def group_mean_interval(values: Array, groups: Sequence[str]) -> Interval:
    """The mean of values (n,); values of a group are resampled together."""
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(places, values)
    counts = np.bincount(places)
    rows = _resamples(len(names))
    drawn = sums[rows].sum(axis=1) / counts[rows].sum(axis=1)
    return _interval(float(np.mean(values)), drawn)


def percentile(blocks: Blocks, percent: float) -> float:
    """A percentile over the calls of all blocks."""
    return float(np.percentile(np.concatenate([np.asarray(block) for block in blocks]), percent))


def _resamples(count: int) -> NDArray[np.intp]:
    """Indices (RESAMPLES, count), drawn with replacement and a fixed seed."""
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))


def _interval(value: float, drawn: Array) -> Interval:
    outside = (100 - COVERAGE) / 2
    low, high = np.percentile(drawn, [outside, 100 - outside])
    return Interval(value, float(low), float(high))
