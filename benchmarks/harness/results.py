"""Measurements as JSON lines; docs/benchmarks.md describes them."""

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

from benchmarks.harness.environment import Environment, manifest
from benchmarks.harness.statistics import Interval
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass
from fkd_train.errors import RunError

SCHEMA = "fkd-benchmark/1"
Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Figure:
    """A number with its unit; `low` and `high` bound its 95 % interval where there is one.

    `better` says which way is progress; a figure without it is not compared.
    """

    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    better: Better | None = None

    @classmethod
    def of(
        cls, interval: Interval, unit: str, scale: float = 1.0, better: Better | None = None
    ) -> Figure:
        """An interval in another unit, `scale` times as large in number."""
        value, low, high = (scale * n for n in (interval.value, interval.low, interval.high))
        return cls(value, unit, low, high, better)

    def __str__(self) -> str:
        """The value, and its interval in brackets."""
        spread = "" if self.low is None else f" [{_short(self.low)}, {_short(self.high)}]"
        return f"{_short(self.value)}{spread} {self.unit}"


@dataclass(frozen=True)
class Measurement:
    """What one contender did with one model under some conditions.

    `sha256` is that of the file that ran; `blocks` are what the intervals were drawn from.
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
        """What two runs have to agree on for their figures to be compared."""
        return self.command, self.model, self.contender, tuple(sorted(self.conditions.items()))

    def __str__(self) -> str:
        """The measurement as a line for people."""
        conditions = ", ".join(f"{name} {value}" for name, value in self.conditions.items())
        figures = "  ".join(f"{name} {figure}" for name, figure in self.figures.items())
        return f"{self.model}  {self.contender}  ({conditions})  {figures}"


@dataclass(frozen=True)
class LeftOut:
    """A contender that could not run here, and why."""

    command: str
    model: str
    contender: str
    why: str


@dataclass
class Run:
    """All lines of one run of a command."""

    environment: Environment
    measurements: list[Measurement] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def default_path(folder: Path, command: str) -> Path:
    """Where a command's results go unless told otherwise."""
    return folder / f"{command}-{datetime.now():%Y%m%d-%H%M%S}.jsonl"


class Recorder:
    """Appends lines to a file as they are found, and tells each; a killed run leaves those done."""

    def __init__(self, path: Path, tell: Callable[[str], object]) -> None:
        self._path, self._tell, self._run = path, tell, uuid4().hex[:12]
        environment = manifest()
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._append("environment", asdict(environment))
        for line in (*environment.warnings(), f"results: {path}"):
            tell(line)

    def measured(self, measurement: Measurement) -> None:
        """One line."""
        self._append("measurement", asdict(measurement))
        self._tell(str(measurement))

    def left_out(self, left_out: LeftOut) -> None:
        """One line."""
        self._append("left_out", asdict(left_out))
        self._tell(f"left out: {left_out.model}, {left_out.contender}: {left_out.why}")

    def _append(self, kind: str, content: dict[str, object]) -> None:
        line = {"schema": SCHEMA, "run": self._run, "kind": kind, kind: content}
        with output_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs of files, in order; raises RunError, naming the line, for anything else."""
    runs: dict[str, Run] = {}
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(path, f"no results can be read from it: {error}") from error
        for number, line in enumerate(lines, start=1):
            try:
                _take(json.loads(line), runs)
            except (ValueError, KeyError, TypeError) as error:
                raise RunError(path, f"line {number} is no result: {error}") from error
    return list(runs.values())


def _take(table: dict[str, object], runs: dict[str, Run]) -> None:
    """Adds one line to its run, of which the environment comes first."""
    if table["schema"] != SCHEMA:
        raise MismatchError(f"its schema is {table['schema']!r}, this reads {SCHEMA}")
    name, kind = str(table["run"]), str(table["kind"])
    content = table[kind]
    if kind == "environment":
        runs[name] = Run(parse_dataclass(Environment, content, kind))
    elif kind == "measurement":
        runs[name].measurements.append(parse_dataclass(Measurement, content, kind))
    else:
        runs[name].left_out.append(parse_dataclass(LeftOut, content, kind))


@cache
def digest(path: Path) -> str:
    """The sha256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def _short(number: float | None) -> str:
    """Three significant digits, or a whole number, without an exponent."""
    assert number is not None
    if 0 < abs(number) < 0.0005:
        return "<0.001"
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
