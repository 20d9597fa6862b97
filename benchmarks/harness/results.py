"""Writes and reads measurements as JSON lines, whose format docs/reference/benchmarks.md has."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal
from uuid import uuid4

from benchmarks.harness.environment import Environment, current_environment
from benchmarks.harness.statistics import Interval
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass
from fkd_train.errors import RunError

SCHEMA = "fkd-benchmark/1"
Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Figure:
    """A number with its unit and, if known, the bounds of its 95 % interval.

    `better` is the direction of progress; `compare` ignores figures without it.
    """

    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    better: Better | None = None

    @classmethod
    def from_interval(
        cls, interval: Interval, unit: str, scale: float = 1.0, better: Better | None = None
    ) -> Figure:
        """The interval times `scale`, which converts it to the unit."""
        value, low, high = (scale * n for n in (interval.value, interval.low, interval.high))
        return cls(value, unit, low, high, better)

    def __str__(self) -> str:
        """The value, with its interval in brackets."""
        spread = "" if self.low is None else f" [{_short(self.low)}, {_short(self.high)}]"
        return f"{_short(self.value)}{spread} {self.unit}"


@dataclass(frozen=True)
class Measurement:
    """The figures of one contender with one model under some conditions.

    `sha256` is the checksum of the model file; intervals come from `blocks`.
    """

    command: str
    model: str
    contender: str
    conditions: dict[str, str]
    figures: dict[str, Figure]
    sha256: str | None = None
    blocks: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the measurements of two runs that can be compared."""
        return self.command, self.model, self.contender, tuple(sorted(self.conditions.items()))

    def __str__(self) -> str:
        """One line for people."""
        conditions = ", ".join(f"{name} {value}" for name, value in self.conditions.items())
        figures = "  ".join(f"{name} {figure}" for name, figure in self.figures.items())
        return f"{self.model}  {self.contender}  ({conditions})  {figures}"


@dataclass(frozen=True)
class SkippedContender:
    """A contender that could not run here, and the reason."""

    command: str
    model: str
    contender: str
    why: str


@dataclass
class Run:
    """All lines of one run of a command."""

    environment: Environment
    measurements: list[Measurement] = field(default_factory=list)
    skipped: list[SkippedContender] = field(default_factory=list)


def default_path(folder: Path, command: str) -> Path:
    """The default file for a command's results."""
    return folder / f"{command}-{datetime.now():%Y%m%d-%H%M%S}.jsonl"


class Recorder:
    """Appends each result to a file at once, so that a killed run loses none, and reports it unless
    it is `quiet`."""

    def __init__(self, path: Path, report: Callable[[str], object], quiet: bool = False) -> None:
        self._path, self._run = path, uuid4().hex[:12]
        self._report: Callable[[str], object] = (lambda _: None) if quiet else report
        environment = current_environment()
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._append("environment", asdict(environment))
        for line in (*environment.warnings(), f"results: {path}"):
            report(line)

    def add(self, measurement: Measurement) -> None:
        """Writes and reports a measurement."""
        self._append("measurement", asdict(measurement))
        self._report(str(measurement))

    def skip(self, skipped: SkippedContender) -> None:
        """Writes and reports a contender that could not run."""
        self._append("left_out", asdict(skipped))
        self._report(f"left out: {skipped.model}, {skipped.contender}: {skipped.why}")

    def _append(self, kind: str, content: dict[str, object]) -> None:
        line = {"schema": SCHEMA, "run": self._run, "kind": kind, kind: content}
        with output_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Reads the runs of files, in order; raises RunError that names an invalid line."""
    runs: dict[str, Run] = {}
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(path, f"cannot be read: {error}") from error
        for number, line in enumerate(lines, start=1):
            try:
                _add_line(json.loads(line), runs)
            except (ValueError, KeyError, TypeError) as error:
                raise RunError(path, f"line {number} is not a result: {error}") from error
    return list(runs.values())


def _add_line(table: dict[str, object], runs: dict[str, Run]) -> None:
    """Adds a line to its run; a run begins with its environment."""
    if table["schema"] != SCHEMA:
        raise MismatchError(f"its schema is {table['schema']!r}; only {SCHEMA} is supported")
    name, kind = str(table["run"]), str(table["kind"])
    content = table[kind]
    if kind == "environment":
        runs[name] = Run(parse_dataclass(Environment, content, kind))
    elif kind == "measurement":
        runs[name].measurements.append(parse_dataclass(Measurement, content, kind))
    else:
        runs[name].skipped.append(parse_dataclass(SkippedContender, content, kind))


@cache
def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def _short(number: float | None) -> str:
    """Three significant digits, or an integer, without an exponent."""
    assert number is not None
    if 0 < abs(number) < 0.0005:
        return "<0.001"
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
