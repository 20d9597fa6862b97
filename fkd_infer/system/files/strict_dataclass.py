"""Dataclasses read strictly from plain tables, as JSON and TOML give them."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fkd_infer.system.files.text_checks import name_problem, short_repr, text_problem

T = TypeVar("T")
_DEEPEST = 10
"""Tables in tables; a card has 5."""


class MismatchError(ValueError):
    """A value that does not fit its field; the text names both."""


def parse_dataclass(kind: type[T], value: object, where: str) -> T:
    """A dataclass, or a value of the types that its fields are made of, from plain data.

    `where` is the value's name in the text of a MismatchError, which is raised for everything
    that does not fit: unknown and missing fields, types, and what a dataclass itself refuses.
    """
    if is_dataclass(kind):
        return cast(T, _read_dataclass(kind, value, where))
    origin, arguments = get_origin(kind), get_args(kind)
    # True equals 1, and is no number.
    if origin is Literal and any(type(value) is type(a) and value == a for a in arguments):
        return cast(T, value)
    if origin in (Union, UnionType):
        return cast(T, parse_dataclass(_member(arguments, value), value, where))
    if origin is dict and isinstance(value, dict):
        return cast(
            T,
            {str(k): parse_dataclass(arguments[1], v, _within(where, k)) for k, v in value.items()},
        )
    if origin is tuple and isinstance(value, list | tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(value) == len(arguments):
            items = enumerate(zip(arguments, value, strict=True))
            return cast(T, tuple(parse_dataclass(a, v, f"{where}[{i}]") for i, (a, v) in items))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):  # what is too large for a float does not fit
            return cast(T, float(value))
    if kind in (str, int, float, bool, NoneType) and type(value) is kind:
        return value
    raise MismatchError(f"{where} is {short_repr(value)}, which does not fit {_type_name(kind)}")


def plain_problem(value: object, where: str, depth: int = 0) -> str:
    """What of plain data can be neither shown nor computed with; empty where there is nothing.

    It comes first, so that all that is told of it later on is one line that can be shown.
    """
    if depth > _DEEPEST:
        return f"{where.split('.')[0]} is nested too deeply"
    if isinstance(value, str) and (problem := text_problem(value)):
        return f"{where} {problem}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value}, and has to be finite"
    if isinstance(value, list):
        for place, item in enumerate(value):
            if problem := plain_problem(item, f"{where}[{place}]", depth + 1):
                return problem
    if isinstance(value, dict):
        for key, item in value.items():
            if problem := name_problem(key):
                return f"the name {short_repr(key)} in {where} {problem}"
            if problem := plain_problem(item, f"{where}.{key}", depth + 1):
                return problem
    return ""


def _member(kinds: tuple[Any, ...], value: object) -> Any:
    """The type of a union that a value is meant for: None, a table's, or else the first."""
    if value is None and NoneType in kinds:
        return NoneType
    if isinstance(value, dict):
        return next((kind for kind in kinds if is_dataclass(kind)), kinds[0])
    return kinds[0]


def _read_dataclass(kind: type[Any], value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise MismatchError(f"{where} is {short_repr(value)}, which is no table")
    known = {f.name: f for f in fields(kind)}
    for name in value.keys() - known.keys():
        raise MismatchError(f"{_within(where, name)} is not a field of it")
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in value:
            raise MismatchError(f"{where}.{name} is missing")
    hints = get_type_hints(kind)
    found = {name: parse_dataclass(hints[name], v, f"{where}.{name}") for name, v in value.items()}
    try:
        return kind(**found)
    except ValueError as error:
        raise MismatchError(f"{where}: {error}") from error


def _within(where: str, name: object) -> str:
    """What a name that data chose is called in one line."""
    text = str(name)
    return f"{where}.{short_repr(text) if name_problem(text) else text}"


def _type_name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind)
