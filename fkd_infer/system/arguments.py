"""Checks the arguments of public functions against their annotations."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from fkd_infer.errors import SettingsError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Bounds:
    """The range of a number, both ends included: `Annotated[int, Bounds(1)]`."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"of {self.low:g} or more"
        return f"from {self.low:g} to {self.high:g}"


_MAX_SHOWN = 60
"""Characters of a wrong value in an error."""
AtLeastOne = Annotated[int, Bounds(1)]
Share = Annotated[float, Bounds(0, 1)]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function raise SettingsError, when it is called, for an argument of another kind.

    It knows numbers with `Bounds`, bool, str, Literal, classes and unions of them; anything is
    accepted for other annotations.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        hints = _hints(function)
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in hints:
                _check(name, value, hints[name])
        return function(*args, **kwargs)

    return call


def check_fields(instance: object) -> None:
    """Raises SettingsError for a field of a dataclass that is of another kind than annotated."""
    kind: Any = type(instance)
    for name, hint in _hints(kind).items():
        _check(name, getattr(instance, name), hint)


def _check(name: str, value: object, hint: Any) -> None:
    if not _fits(value, hint):
        shown = repr(value) if len(repr(value)) <= _MAX_SHOWN else f"a {type(value).__name__}"
        raise SettingsError(name, f"is {shown}, and has to be {_described(hint)}")


@cache
def _hints(annotated: Any) -> dict[str, Any]:
    return get_type_hints(annotated, include_extras=True)


def _fits(value: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return any(value is part or value == part for part in get_args(hint))
    if origin is tuple and get_args(hint)[1:] == (...,):
        kind_of_all = get_args(hint)[0]
        return isinstance(value, tuple) and all(_fits(part, kind_of_all) for part in value)
    if origin is Annotated:
        base, bounds = get_args(hint)[:2]
        if not _fits(value, base):
            return False
        return not isinstance(bounds, Bounds) or bounds.low <= float(value) <= bounds.high  # type: ignore[arg-type]
    if hint in (int, float):
        kind: type = Integral if hint is int else Real
        return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    if isinstance(hint, type) and not getattr(hint, "_is_protocol", False):
        return isinstance(value, hint)
    return True


def _described(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_described(part) for part in get_args(hint)))
    if origin is Literal:
        return " or ".join(repr(part) for part in get_args(hint))
    if origin is tuple:
        return f"a tuple, each {_described(get_args(hint)[0])}"
    if origin is Annotated:
        base, bounds = get_args(hint)[:2]
        return f"{_described(base)} {bounds}" if isinstance(bounds, Bounds) else _described(base)
    names = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}
    names |= {NoneType: "None"}
    return names.get(hint, f"a {hint.__name__}" if isinstance(hint, type) else str(hint))
