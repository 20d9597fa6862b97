"""Ways to run a network that took turns, and when one of them counts as quicker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import BATCH
from fkd_infer.runtime.settings import SessionSettings

MARGIN = 0.01
CERTAINTY = 0.95
LEAST_ROUNDS = 6
RULE = (
    f"A setting replaces another only where it is at least {MARGIN:.0%} quicker with a certainty "
    f"of {CERTAINTY:.0%}\n(bootstrap over {LEAST_ROUNDS} rounds or more, shared by all that a "
    "table compares)."
)
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One way to run a network."""

    network: Path
    settings: SessionSettings
    batch: int = BATCH


@dataclass(frozen=True, slots=True)
class Trial:
    """A way, its name in a table, and what it took in each round: seconds (rounds,)."""

    name: str
    way: RunConfig
    rounds: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """The median round."""
        return float(np.median(self.rounds))

    def speed(self, other: Trial) -> float:
        """How many times as fast as another it is: the median over rounds, each of which both ran
        within moments."""
        return float(np.median(other.rounds / self.rounds))


def best_of(trials: Sequence[Trial], current: Trial) -> Trial:
    """The quickest of those that are quicker than the current one for certain, or the current."""
    rivals = [trial for trial in trials if trial is not current]
    quicker = [trial for trial in rivals if is_quicker(trial, current, len(rivals))]
    return max(quicker, key=lambda trial: trial.speed(current), default=current)


def is_quicker(trial: Trial, current: Trial, rivals: int = 1) -> bool:
    """Whether a trial is quicker as RULE has it, one of several that had the chance."""
    count = len(trial.rounds)
    if count < LEAST_ROUNDS:
        return False
    ratios = trial.rounds / current.rounds
    drawn = np.random.default_rng(0).integers(0, count, (_DRAWS, count))
    highest = np.quantile(np.median(ratios[drawn], axis=1), 1 - (1 - CERTAINTY) / rivals)
    return bool(highest <= 1 - MARGIN)
