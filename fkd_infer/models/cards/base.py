"""What the cards of all kinds of models share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fkd_infer.errors import ModelCardError, WrongTaskError
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass, plain_problem
from fkd_infer.system.files.text_checks import name_problem, short_repr

METADATA_KEY = "fkd"


VERSION = 1


_MOST_SCALE = 100
"""Of a rule: a square so many times as large or as small as a box, or as far from it, is no face's;
and no number then overflows in pixels."""


Card = TypeVar("Card")


@dataclass(frozen=True, slots=True)
class Training:
    """Where the weights come from."""

    recipe: str
    data: str
    split: str
    epochs: int
    seed: int
    weights_sha256: str


def task_of(metadata: Mapping[str, str], where: str | Path) -> object:
    """What a card says that its model does, None for placing points, and where it is so damaged
    that whoever reads it will tell; raises ModelCardError where there is no card."""
    try:
        table = json.loads(card_text(metadata, where))
    except (ValueError, RecursionError):
        return None
    return table.get("task") if isinstance(table, dict) else None


def check_names(*names: str) -> None:
    """Raises ValueError for what is not one line of a sensible length."""
    for name in names:
        if problem := name_problem(name):
            raise ValueError(f"the name {short_repr(name)} {problem}")


def check_rule(where: str, rule: BoxRule | CropRule) -> None:
    """Raises ValueError for a rule that leads from a face's box to nowhere near it."""
    if not 1 / _MOST_SCALE <= rule.scale <= _MOST_SCALE:
        allowed = f"{1 / _MOST_SCALE} to {_MOST_SCALE}"
        raise ValueError(f"{where}.scale is {rule.scale}, and has to be from {allowed}")
    if max(map(abs, rule.shift)) > _MOST_SCALE:
        raise ValueError(f"{where}.shift is {rule.shift}, and has to be {_MOST_SCALE} at most")


def card_text(metadata: Mapping[str, str], where: str | Path) -> str:
    """The card's JSON in an ONNX file's metadata; raises ModelCardError where there is none."""
    if METADATA_KEY not in metadata:
        raise ModelCardError(where, "it has no fkd model card")
    return metadata[METADATA_KEY]


def read_card(kind: type[Card], text: str, where: str | Path, task: str | None) -> Card:
    """A card of some kind, whose networks do `task`, None for placing points.

    Raises ModelCardError, naming `where` and the field, for anything off.
    """
    try:
        return _read_card(kind, text, where, task)
    except RecursionError as error:
        raise ModelCardError(where, "its card is nested too deeply") from error


def _read_card(kind: type[Card], text: str, where: str | Path, task: str | None) -> Card:
    try:
        table = json.loads(text)
    except ValueError as error:  # JSONDecodeError, or numbers of thousands of digits
        raise ModelCardError(where, f"its card is not JSON: {error}") from error
    version = table.get("version") if isinstance(table, dict) else None
    if version != VERSION:
        known = f"this fkd reads version {VERSION}"
        raise ModelCardError(where, f"its card has version {short_repr(version)}, {known}")
    if problem := plain_problem(table, "card"):
        raise ModelCardError(where, problem)
    if table.get("task") != task:
        raise WrongTaskError(where, table.get("task"), task)
    try:
        return parse_dataclass(kind, table, "card")
    except MismatchError as error:
        raise ModelCardError(where, str(error)) from None
