"""Options that commands share; those of fkd-infer in groups, each of which is one argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    pass

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)


def group(argument: str, make: Callable[..., object], **options: Decorator) -> Decorator:
    """Adds options to a command, which gets what `make` makes of them as one argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **said: Any) -> Any:
            made = make(**{name: said.pop(name) for name in options})
            return function(*args, **{argument: made}, **said)

        command: Callable[..., Any] = call
        for option in reversed(options.values()):
            command = option(command)
        return command

    return decorate
