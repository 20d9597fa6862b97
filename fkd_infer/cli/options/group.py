"""Building blocks of options: types, a mark for what changes no result, and groups."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from fkd_infer.stores.address import Place, place

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)
_SECTION = "fkd_section"


class _PlaceType(click.ParamType[Place]):
    """The path of a file or folder, or an address in a store."""

    name = "path"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """The place that a text names."""
        return place(value) if isinstance(value, str) else cast(Place, value)


PLACE = _PlaceType()


class NameOrPath(click.types.StringParamType):
    """The name of something that comes with fkd, or the path of a file or folder."""


class FiniteRange(click.FloatRange):
    """A range of finite numbers: click's own accepts nan, and inf without an upper limit."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; fails with one line for anything else."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class NeutralOption(click.Option):
    """An option that changes no result: `--resume` accepts another value, here alone."""


def neutral_option(*names: str, **attributes: Any) -> Decorator:
    """`click.option` for an option that changes no result."""
    return click.option(*names, cls=NeutralOption, **attributes)


def section_of(parameter: click.Parameter) -> str:
    """The section of `--help` and of the documentation that lists a parameter; often ""."""
    return str(vars(parameter).get(_SECTION, ""))


def section(title: str, *options: Decorator) -> Decorator:
    """Adds options to a command, whose `--help` lists them in a section of their own."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        command = function
        before = len(_parameters(command))
        for option in reversed(options):
            command = option(command)
        for parameter in _parameters(command)[before:]:
            vars(parameter)[_SECTION] = title
        return command

    return decorate


def _parameters(command: Callable[..., Any]) -> list[click.Parameter]:
    """The parameters that decorators have added to a function so far."""
    return list(vars(command).get("__click_params__", ()))


def group(
    argument: str, make: Callable[..., object], title: str, /, **options: Decorator
) -> Decorator:
    """Adds options to a command, which receives `make(**values)` as one argument.

    They are a section of `--help` with this title.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **values: Any) -> Any:
            grouped = make(**{name: values.pop(name) for name in options})
            return function(*args, **{argument: grouped}, **values)

        return section(title, *options.values())(call)

    return decorate
