"""Creates dataclasses from plain data, as JSON and TOML have it, with strict type checks."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fkd_infer.system.files.text_checks import name_problem, short_repr, text_problem

T = TypeVar("T")
_MAX_DEPTH = 10
"""Of nested tables; a card has 5."""


class MismatchError(ValueError):
    """A value that does not fit its field; the text names both."""


def parse_dataclass(kind: type[T], value: object, where: str) -> T:
    """Returns a dataclass, or a value of a type that its fields have, from plain data.

    `where` names the value in errors. Raises MismatchError for unknown and missing fields, for
    wrong types, and for a ValueError of the dataclass itself.
    """
    if is_dataclass(kind):
        return cast(T, _parse_fields(kind, value, where))
    origin, arguments = get_origin(kind), get_args(kind)
    # True equals 1, but is no number.
    if origin is Literal and any(type(value) is type(a) and value == a for a in arguments):
        return cast(T, value)
    if origin in (Union, UnionType):
        return cast(T, parse_dataclass(_union_member(arguments, value), value, where))
    if origin is dict and isinstance(value, dict):
        items = value.items()
        parsed = {str(k): parse_dataclass(arguments[1], v, _within(where, k)) for k, v in items}
        return cast(T, parsed)
    if origin is tuple and isinstance(value, list | tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(value) == len(arguments):
            pairs = enumerate(zip(arguments, value, strict=True))
            return cast(T, tuple(parse_dataclass(a, v, f"{where}[{i}]") for i, (a, v) in pairs))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):  # too large for a float
            return cast(T, float(value))
    if kind in (str, int, float, bool, NoneType) and type(value) is kind:
        return value
    raise MismatchError(f"{where} is {short_repr(value)}, which does not fit {_type_name(kind)}")


def plain_problem(value: object, where: str, depth: int = 0) -> str:
    """Returns why plain data can be neither shown nor computed with, or an empty string.

    Checked first, so that all later messages about the data are one printable line.
    """
    if depth > _MAX_DEPTH:
        return f"{where.split('.')[0]} is nested too deeply"
    if isinstance(value, str) and (problem := text_problem(value)):
        return f"{where} {problem}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value}, and has to be finite"
    if isinstance(value, list):
        for index, item in enumerate(value):
            if problem := plain_problem(item, f"{where}[{index}]", depth + 1):
                return problem
    if isinstance(value, dict):
        for key, item in value.items():
            if problem := name_problem(key):
                return f"the name {short_repr(key)} in {where} {problem}"
            if problem := plain_problem(item, f"{where}.{key}", depth + 1):
                return problem
    return ""


def _union_member(kinds: tuple[Any, ...], value: object) -> Any:
    """Returns the type of a union that a value is meant for: None, a dataclass, the literal that it
    is, or the first."""
    if value is None and NoneType in kinds:
        return NoneType
    if isinstance(value, str):
        literals = (kind for kind in kinds if get_origin(kind) is Literal)
        return next((kind for kind in literals if value in get_args(kind)), kinds[0])
    if isinstance(value, dict):
        return next((kind for kind in kinds if is_dataclass(kind)), kinds[0])
    return kinds[0]


def _parse_fields(kind: type[Any], value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise MismatchError(f"{where} is {short_repr(value)}, which is not a table")
    known = {f.name: f for f in fields(kind)}
    for name in value.keys() - known.keys():
        raise MismatchError(f"{_within(where, name)} is not a field")
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in value:
            raise MismatchError(f"{where}.{name} is missing")
    hints = get_type_hints(kind)
    parsed = {name: parse_dataclass(hints[name], v, f"{where}.{name}") for name, v in value.items()}
    try:
        return kind(**parsed)
    except ValueError as error:
        raise MismatchError(f"{where}: {error}") from error


def _within(where: str, name: object) -> str:
    """Returns the path of a field whose name comes from the data, in one line."""
    text = str(name)
    return f"{where}.{short_repr(text) if name_problem(text) else text}"


def _type_name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind)
