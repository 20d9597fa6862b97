"""Finds figures that changed between runs by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness.results import Figure, Measurement, Run
from benchmarks.harness.statistics import Interval

_SAME = ("cpu", "cores", "cgroup_cores", "python")


@dataclass(frozen=True)
class Change:
    """A figure of both runs; a `factor` above 1 is worse."""

    measurement: Measurement
    figure: str
    before: Figure
    after: Figure
    factor: float
    apart: bool

    def __str__(self) -> str:
        """One line for people."""
        m = self.measurement
        conditions = ", ".join(f"{name} {value}" for name, value in m.conditions.items())
        where = f"{m.command}: {m.model}, {m.contender} ({conditions})"
        worse = 100 * (self.factor - 1)
        verdict = f"{abs(worse):.1f} % {'worse' if worse > 0 else 'better'}"
        return f"{verdict}: {where}, {self.figure} {self.before} → {self.after}"


def find_changes(before: Sequence[Run], after: Sequence[Run]) -> list[Change]:
    """Compares the figures of both runs that have an interval and a direction, worst first.

    The last of several measurements counts.
    """
    old, new = _latest(before), _latest(after)
    changes = [
        _change(new[key], name, old[key].figures[name], figure)
        for key in new.keys() & old.keys()
        for name, figure in new[key].figures.items()
        if name in old[key].figures and figure.better and figure.low is not None
    ]
    return sorted(changes, key=lambda change: -change.factor)


def environment_differences(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """Lists differences between the machines and packages of the runs."""
    lines = []
    for name in _SAME:
        values = [{str(getattr(run.environment, name)) for run in runs} for runs in (before, after)]
        if values[0] != values[1]:
            lines.append(f"{name} differs: {' / '.join(values[0])} and {' / '.join(values[1])}")
    packages = [dict(run.environment.packages) for run in (*before[-1:], *after[-1:])]
    for package in sorted(packages[0].keys() | packages[1].keys()):
        versions = [str(some.get(package)) for some in packages]
        if versions[0] != versions[1]:
            lines.append(f"{package} differs: {versions[0]} and {versions[1]}")
    return lines


def significant_changes(
    changes: Sequence[Change], percent: float
) -> tuple[list[Change], list[Change]]:
    """(worse, better): changes above `percent` whose intervals do not overlap."""
    limit = 1 + percent / 100
    apart = [change for change in changes if change.apart]
    worse = [change for change in apart if change.factor > limit]
    return worse, [change for change in apart if 1 / change.factor > limit]


def _latest(runs: Sequence[Run]) -> dict[tuple[object, ...], Measurement]:
    return {m.key: m for run in runs for m in run.measurements}


def _change(measurement: Measurement, name: str, before: Figure, after: Figure) -> Change:
    factor = after.value / before.value
    if after.better == "higher":
        factor = 1 / factor
    apart = not _interval(before).overlaps(_interval(after))
    return Change(measurement, name, before, after, factor, apart)


def _interval(figure: Figure) -> Interval:
    low = figure.value if figure.low is None else figure.low
    return Interval(figure.value, low, figure.value if figure.high is None else figure.high)
