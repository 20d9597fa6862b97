"""Percentiles of timed calls, and intervals that treat a block of calls as one observation.

Calls of one block share the machine's state of that half second, so that thousands of them say
little more than one; the bootstrap (Efron, 1979) therefore resamples whole blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Blocks = Sequence[Sequence[float]]
"""Seconds of single calls, a sequence for each block."""

RESAMPLES = 4000
COVERAGE = 95.0


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap interval, which covers 95 %."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two have a value in common."""
        return self.low <= other.high and other.low <= self.high


def block_medians(blocks: Blocks) -> Array:
    """The median (n,) of each block."""
    return np.array([np.median(block) for block in blocks])


def median(values: Sequence[float] | Array) -> Interval:
    """The median of a value for each block, resampled."""
    found = np.asarray(values, np.float64)
    drawn = np.median(found[_rows(len(found))], axis=1)
    return _interval(float(np.median(found)), drawn)


def rate(seconds: Sequence[float] | Array, work: float) -> Interval:
    """Work done in a second, by the median of seconds for each block."""
    taken = median(seconds)
    return Interval(work / taken.value, work / taken.high, work / taken.low)


def ratio(numerator: Sequence[float] | Array, denominator: Sequence[float] | Array) -> Interval:
    """The ratio of two medians; values at the same place come from the same round.

    Rounds are resampled, so that what slows all contenders of a round does not widen the interval.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if above.shape != below.shape:
        raise ValueError(f"rounds of {above.shape} and {below.shape} do not pair")
    rows = _rows(len(above))
    drawn = np.median(above[rows], axis=1) / np.median(below[rows], axis=1)
    return _interval(float(np.median(above) / np.median(below)), drawn)


def mean_over_groups(values: Array, groups: Sequence[str]) -> Interval:
    """The mean of values (n,), of which those of one group are resampled together."""
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(places, values)
    counts = np.bincount(places)
    rows = _rows(len(names))
    drawn = sums[rows].sum(axis=1) / counts[rows].sum(axis=1)
    return _interval(float(np.mean(values)), drawn)


def percentile(blocks: Blocks, percent: float) -> float:
    """A percentile of all calls of all blocks."""
    return float(np.percentile(np.concatenate([np.asarray(block) for block in blocks]), percent))


def _rows(count: int) -> NDArray[np.intp]:
    """Rows (RESAMPLES, count), drawn with replacement; the same ones each time."""
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))


def _interval(value: float, drawn: Array) -> Interval:
    outside = (100 - COVERAGE) / 2
    low, high = np.percentile(drawn, [outside, 100 - outside])
    return Interval(value, float(low), float(high))
