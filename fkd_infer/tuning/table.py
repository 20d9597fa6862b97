"""Tables of `fkd-infer tune`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fkd_infer.tuning.trial import MIN_ROUNDS, Trial

PER_SECOND = "faces/s"
"""The unit of steps that compare faces per call; other steps have milliseconds."""


def table_lines(
    step: str, unit: str, trials: Sequence[Trial], defaults: Trial, before: Trial, chosen: Trial
) -> Iterator[str]:
    """Yields the lines of a step's table: medians, speed relative to the defaults, result."""
    width = max(len(step), *(len(trial.name) + 2 for trial in trials))
    yield f"{step:{width}}  {unit:>11}  {'of defaults':>12}"
    for trial in trials:
        mark = "*" if trial is chosen else " "
        speedup = f"{trial.speedup(defaults):.3f}x"
        yield f"{mark} {trial.name:{width - 2}}  {_value(trial, unit):>11}  {speedup:>12}"
    yield f"{_result(before, chosen)}\n"


def _value(trial: Trial, unit: str) -> str:
    return f"{1 / trial.seconds:.0f}" if unit == PER_SECOND else f"{1000 * trial.seconds:.3f}"


def _result(before: Trial, chosen: Trial) -> str:
    count = len(chosen.rounds)
    if chosen is not before:
        return f"{chosen.name}: significantly faster ({count} rounds)"
    if count < MIN_ROUNDS:
        return f"{chosen.name} stays: {count} rounds are too few"
    return f"{chosen.name} stays: nothing is significantly faster ({count} rounds)"
