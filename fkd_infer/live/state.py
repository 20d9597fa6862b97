"""The JSON interface of the live page: its state, and changes to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from fkd_infer.choices import DRAW_LAYERS, SMOOTHINGS
from fkd_infer.live.recorder import RecordingState
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.view import ViewSettings

_MAX_BODY = 4096
"""Bytes of a request's body."""
_BODY_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class PageInfo:
    """What viewers can choose: titles of the sources, and titles of the filters by name."""

    sources: Sequence[str]
    filters: Mapping[str, str]


def state_of(
    live: LiveRunner, info: PageInfo, recording: RecordingState, viewers: int
) -> dict[str, Any]:
    """The answer of /state, as docs/how-to/live.md has it."""
    return {
        "source": info.sources[live.settings.source],
        "look": asdict(live.settings),
        "problem": live.problem,
        "recording": asdict(recording),
        "choices": {
            "sources": list(info.sources),
            "filters": [{"name": name, "title": title} for name, title in info.filters.items()],
            "smoothing": list(SMOOTHINGS),
            "layers": list(DRAW_LAYERS),
        },
        "stats": {**asdict(live.stats()), "viewers": viewers},
    }


async def read_json(request: Request) -> Any:
    """Reads a small body of JSON; raises HTTPException."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return json.loads(await _read_body(request))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "that is not JSON") from error


async def _read_body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BODY:
                    raise HTTPException(413, f"at most {_MAX_BODY} bytes")
    except TimeoutError as error:
        raise HTTPException(408, "the request took too long") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the request was cut short") from error
    return body


def with_changes(settings: ViewSettings, changes: Any, info: PageInfo) -> ViewSettings:
    """Returns the settings with the changes of a request; raises HTTPException for any other.

    Another source is played, even if the one before it was paused.
    """
    check: dict[str, Callable[[str, Any], Any]] = {
        "filters": partial(_names, known=tuple(info.filters)),
        "layers": partial(_names, known=DRAW_LAYERS),
        "smoothing": partial(_name, known=SMOOTHINGS),
        "source": partial(_index, count=len(info.sources)),
        "mirrored": _flag,
        "paused": _flag,
    }
    if not isinstance(changes, dict):
        raise HTTPException(400, f"send an object with any of: {', '.join(check)}")
    for field in changes:
        if field not in check:
            raise HTTPException(400, f"unknown field {field!r}; there are: {', '.join(check)}")
    checked = {field: check[field](field, value) for field, value in changes.items()}
    if checked.get("source", settings.source) != settings.source:
        checked.setdefault("paused", False)
    return replace(settings, **checked)


def wants_recording(change: Any) -> bool:
    """Whether a request starts a recording or ends it; raises HTTPException for any other."""
    if not isinstance(change, dict) or list(change) != ["active"]:
        raise HTTPException(400, "send an object with active")
    return _flag("active", change["active"])


def _names(field: str, values: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the order of the known ones."""
    if not isinstance(values, list):
        raise HTTPException(400, f"{field} is a list of names")
    for value in values:
        _name(field, value, known)
    return tuple(name for name in known if name in values)


def _name(field: str, value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        there = ", ".join(known) or "none"
        raise HTTPException(400, f"{field}: unknown value {str(value)[:80]!r}; there are: {there}")
    return value


def _index(field: str, value: Any, count: int) -> int:
    if type(value) is not int or not 0 <= value < count:
        raise HTTPException(400, f"{field} is a number from 0 to {count - 1}")
    return value


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise HTTPException(400, f"{field} is true or false")
    return value
