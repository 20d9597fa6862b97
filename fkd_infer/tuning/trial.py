"""Timed configurations, and when one counts as faster than another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import BATCH
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.options import format_settings, parse_settings
from fkd_infer.runtime.providers.registry import find_provider
from fkd_infer.runtime.settings import SessionSettings

MARGIN = 0.01
CONFIDENCE = 0.95
MIN_ROUNDS = 6
RULE = (
    f"A setting is replaced only if another is at least {MARGIN:.0%} faster with {CONFIDENCE:.0%} "
    f"confidence\n(bootstrap over {MIN_ROUNDS} rounds or more, corrected for the number of "
    "settings compared)."
)
_RESAMPLES = 4000
_ON_CPU = ProviderChoice(CPU.name)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A network's file, and how it is run."""

    network: Path
    settings: SessionSettings
    batch: int = BATCH
    choice: ProviderChoice = _ON_CPU

    def arguments(self) -> list[str]:
        """The configuration as arguments of a worker's process, all but the batch."""
        choice = {
            "on": str(self.choice),
            "options": format_settings(self.choice.settings) if self.choice.settings else (),
            "allow_fallback": self.choice.allow_fallback,
        }
        return [str(self.network), json.dumps(asdict(self.settings)), json.dumps(choice)]

    @classmethod
    def of_arguments(cls, network: str, settings: str, choice: str) -> RunConfig:
        """The configuration of a worker's arguments."""
        given = json.loads(choice)
        on = ProviderChoice.of(given["on"])
        own = None
        if given["options"]:
            own = parse_settings(find_provider(on.name).settings_type, on.name, given["options"])
        on = replace(on, settings=own, allow_fallback=given["allow_fallback"])
        return cls(Path(network), SessionSettings(**json.loads(settings)), choice=on)


@dataclass(frozen=True, slots=True)
class Trial:
    """A timed configuration: its name in tables, and the seconds of each round (rounds,)."""

    name: str
    config: RunConfig
    rounds: NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """The median over rounds."""
        return float(np.median(self.rounds))

    def speedup(self, other: Trial) -> float:
        """Returns how many times as fast as another trial it is: the median ratio over rounds."""
        return float(np.median(other.rounds / self.rounds))


def fastest(trials: Sequence[Trial], current: Trial) -> Trial:
    """Returns the fastest of the trials that are significantly faster, or the current one."""
    rivals = [trial for trial in trials if trial is not current]
    faster = [trial for trial in rivals if is_faster(trial, current, len(rivals))]
    return max(faster, key=lambda trial: trial.speedup(current), default=current)


def is_faster(trial: Trial, current: Trial, rivals: int = 1) -> bool:
    """Whether a trial is faster by RULE; `rivals` is the number of trials compared (Bonferroni)."""
    count = len(trial.rounds)
    if count < MIN_ROUNDS:
        return False
    ratios = trial.rounds / current.rounds
    rows = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
    upper = np.quantile(np.median(ratios[rows], axis=1), 1 - (1 - CONFIDENCE) / rivals)
    return bool(upper <= 1 - MARGIN)
