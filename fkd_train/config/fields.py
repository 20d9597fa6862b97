"""Constrained types of recipe fields."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, PlainValidator

from fkd_infer.landmarks.schemes import LandmarkScheme, find_scheme
from fkd_infer.models.cards.landmark import MAX_INPUT_SIZE, MIN_INPUT_SIZE
from fkd_infer.system.files.strict_dataclass import parse_dataclass, plain_problem
from fkd_infer.system.files.text_checks import file_name_problem

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Configuration of all recipe classes: no unknown fields, only finite numbers."""
Range = tuple[float, float]
Count = Annotated[int, Field(gt=0, le=10**9, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**9, strict=True)]
Channels = Annotated[int, Field(gt=0, le=1 << 16, strict=True)]
Depth = Annotated[int, Field(gt=0, le=1000, strict=True)]
InputSize = Annotated[int, Field(ge=MIN_INPUT_SIZE, le=MAX_INPUT_SIZE, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def one_of(names: Collection[str]) -> AfterValidator:
    """A validator for the names in a registry."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"unknown; there are: {', '.join(names)}")
        return name

    return AfterValidator(check)


def _read_options(given: object) -> dict[str, object]:
    """Validates a table whose meaning is known to others: plain, finite and printable values."""
    if not isinstance(given, dict):
        raise ValueError("has to be a table")
    if problem := plain_problem(given, "options") or _kind_problem(given, "options"):
        raise ValueError(problem)
    return given


def _kind_problem(value: object, where: str) -> str:
    """Why plain data cannot be kept in a checkpoint, or an empty string."""
    if isinstance(value, dict):
        parts = (_kind_problem(one, f"{where}.{key}") for key, one in value.items())
        return next(filter(None, parts), "")
    if isinstance(value, list):
        return next(filter(None, (_kind_problem(one, f"{where}[]") for one in value)), "")
    is_plain = isinstance(value, bool | int | float | str)
    return "" if is_plain else f"{where} is a {type(value).__name__}, not text, a number or a list"


Options = Annotated[dict[str, object], PlainValidator(_read_options)]
"""A table of text, numbers, truth values, and lists and tables of these."""


def _check_file_name(name: str) -> str:
    if problem := file_name_problem(name):
        raise ValueError(f"it {problem}, and exported files are named after it")
    return name


FileName = Annotated[str, AfterValidator(_check_file_name)]
"""A recipe's name, from which exports build file names."""


def _read_scheme(given: object) -> str | LandmarkScheme:
    """Validates a scheme as model cards do, which is stricter about numbers than pydantic."""
    if not isinstance(given, str | LandmarkScheme):
        given = parse_dataclass(LandmarkScheme, given, "scheme")
    find_scheme(given)
    return given


def _plain_scheme(scheme: str | LandmarkScheme) -> str | dict[str, object]:
    return scheme if isinstance(scheme, str) else asdict(scheme)


Scheme = Annotated[
    str | LandmarkScheme, PlainValidator(_read_scheme), PlainSerializer(_plain_scheme)
]
"""The name of a built-in landmark scheme, or a table that defines one."""
