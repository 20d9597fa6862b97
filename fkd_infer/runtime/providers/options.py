"""Settings of a provider from texts such as "buckets=1,16" and "tf32=off"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import ProviderSettings

S = TypeVar("S", bound=ProviderSettings)
_BOOLS = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def parse_settings(kind: type[S], provider: str, options: Sequence[str]) -> S:
    """Returns the settings that options KEY=VALUE stand for.

    Raises SettingsError, which names the option, for an unknown key or a value of another kind.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    values: dict[str, Any] = {}
    for option in options:
        name, separator, text = option.partition("=")
        if not separator or name not in names:
            known = f"choose one of: {', '.join(names)}" if names else "leave it out"
            problem = f"{name!r} is no option of provider {provider!r}"
            raise SettingsError("", problem if separator else f"{option!r} is not KEY=VALUE", known)
        if name in values:
            raise SettingsError(name, "is set twice", "set it once")
        values[name] = _parsed(name, text, hints[name])
    return kind(**values)


def format_settings(settings: ProviderSettings) -> tuple[str, ...]:
    """Returns the options KEY=VALUE of all fields that are not the default."""
    default = type(settings)()
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    return tuple(f"{name}={_formatted(value)}" for name, value in changed.items())


def _formatted(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return "none" if value is None else str(value)


def _parsed(name: str, text: str, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _parsed(name, text, arguments[0])
    if origin in (Union, UnionType):
        if text in ("", "none"):
            return None
        (kind,) = (part for part in arguments if part is not NoneType)
        return _parsed(name, text, kind)
    if origin is tuple:
        return tuple(_parsed(name, part, arguments[0]) for part in text.split(",") if text)
    if hint is bool:
        if text.lower() not in _BOOLS:
            raise SettingsError(name, f"is {text!r}, and has to be on or off")
        return _BOOLS[text.lower()]
    if hint is int:
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdecimal():
            raise SettingsError(name, f"is {text!r}, and has to be a whole number")
        return int(text)
    if origin is Literal and text not in arguments:
        raise SettingsError(name, f"is {text!r}", f"choose one of: {', '.join(arguments)}")
    return text
