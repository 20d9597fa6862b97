"""The parts that cards of all tasks share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

from fkd_infer.errors import ModelCardError, WrongTaskError
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass, plain_problem
from fkd_infer.system.files.text_checks import name_problem, short_repr

METADATA_KEY = "fkd"
VERSION = 1
_MAX_SCALE = 100
"""Limit of a rule's scale, its inverse and its shift. A square beyond has nothing to do with the
face, and within these limits no coordinate overflows."""


@dataclass(frozen=True, slots=True)
class Training:
    """Where the weights come from."""

    recipe: str
    data: str
    split: str
    epochs: int
    seed: int
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class RuntimeParity:
    """Largest differences of a runtime's outputs from those of ONNX Runtime on the CPU.

    `largest_px` is of points, boxes and spreads, in pixels of the input, and `largest_score` of
    scores and presences, None if the file has neither. `inputs` says what was compared.
    """

    version: str
    largest_px: float
    largest_score: float | None
    inputs: str


@dataclass(frozen=True, slots=True)
class Card:
    """Base class of cards: one JSON object in an ONNX file's metadata."""

    expected_task: ClassVar[str | None] = None
    """The `task` that the JSON must have; None for landmark networks, whose cards have no task."""

    def to_json(self) -> str:
        """Returns the JSON that `from_json` reads."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str | Path) -> Self:
        """Reads a card; raises ModelCardError and WrongTaskError with `where` and the field."""
        try:
            return cls._parse(text, where)
        except RecursionError as error:
            raise ModelCardError(where, "its card is nested too deeply") from error

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str | Path) -> Self:
        """Reads the card in an ONNX file's metadata; raises ModelCardError if there is none."""
        return cls.from_json(_card_text(metadata, where), where)

    @classmethod
    def _parse(cls, text: str, where: str | Path) -> Self:
        try:
            table = json.loads(text)
        except ValueError as error:  # JSONDecodeError, or a number of thousands of digits
            raise ModelCardError(where, f"its card is not JSON: {error}") from error
        version = table.get("version") if isinstance(table, dict) else None
        if version != VERSION:
            problem = f"its card has version {short_repr(version)}, but this fkd reads {VERSION}"
            raise ModelCardError(where, problem)
        if problem := plain_problem(table, "card"):
            raise ModelCardError(where, problem)
        if table.get("task") != cls.expected_task:
            raise WrongTaskError(where, table.get("task"), cls.expected_task)
        try:
            return parse_dataclass(cls, table, "card")
        except MismatchError as error:
            raise ModelCardError(where, str(error)) from None


def task_of(metadata: Mapping[str, str], where: str | Path) -> object:
    """Returns the task in a card; None if there is none, or if the card is so damaged that reading
    it raises. Raises ModelCardError if there is no card."""
    try:
        table = json.loads(_card_text(metadata, where))
    except (ValueError, RecursionError):
        return None
    return table.get("task") if isinstance(table, dict) else None


def check_names(*names: str) -> None:
    """Raises ValueError unless each name is one line of at most 200 characters."""
    for name in names:
        if problem := name_problem(name):
            raise ValueError(f"the name {short_repr(name)} {problem}")


def check_share(name: str, value: float) -> None:
    """Raises ValueError unless a value is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, but must be from 0 to 1")


def check_runs_in(runs_in: Mapping[str, RuntimeParity]) -> None:
    """Raises ValueError for a name or version that is not one line, and negative differences."""
    for name, parity in runs_in.items():
        check_names(name, parity.version, parity.inputs)
        if min(parity.largest_px, parity.largest_score or 0.0) < 0:
            raise ValueError(f"runs_in.{name} has a difference below 0")


def check_rule(name: str, rule: BoxRule | CropRule) -> None:
    """Raises ValueError if a rule leads far away from a face's box."""
    if not 1 / _MAX_SCALE <= rule.scale <= _MAX_SCALE:
        allowed = f"{1 / _MAX_SCALE} to {_MAX_SCALE}"
        raise ValueError(f"{name}.scale is {rule.scale}, but must be from {allowed}")
    if max(map(abs, rule.shift)) > _MAX_SCALE:
        raise ValueError(f"{name}.shift is {rule.shift}, but must be {_MAX_SCALE} at most")


def _card_text(metadata: Mapping[str, str], where: str | Path) -> str:
    if METADATA_KEY not in metadata:
        raise ModelCardError(where, "it has no fkd model card")
    return metadata[METADATA_KEY]
