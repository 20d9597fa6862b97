"""The JSON interface of the live page: its state, and changes to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from fkd_infer.choices import DRAW_LAYERS, SMOOTHINGS
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.view import ViewSettings

_MAX_BODY = 4096
"""Bytes of a request's body."""
_BODY_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class PageInfo:
    """The source's name, and the titles of the filters to choose from, by name."""

    source: str
    filters: Mapping[str, str]


def state_of(live: LiveRunner, info: PageInfo, viewers: int) -> dict[str, Any]:
    """The answer of /state, as docs/live.md has it."""
    return {
        "source": info.source,
        "look": asdict(live.settings),
        "choices": {
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


def with_changes(settings: ViewSettings, changes: Any, filters: Mapping[str, str]) -> ViewSettings:
    """Returns the settings with the changes of a request; raises HTTPException for any other."""
    choices = {"filters": tuple(filters), "layers": DRAW_LAYERS, "smoothing": SMOOTHINGS}
    if not isinstance(changes, dict):
        raise HTTPException(400, f"send an object with any of: {', '.join(choices)}")
    checked: dict[str, Any] = {}
    for field, value in changes.items():
        if field not in choices:
            raise HTTPException(400, f"unknown field {field!r}; there are: {', '.join(choices)}")
        known = choices[field]
        if field == "smoothing":
            _check(field, value, known)
            checked[field] = value
            continue
        if not isinstance(value, list):
            raise HTTPException(400, f"{field} is a list of names")
        for name in value:
            _check(field, name, known)
        checked[field] = tuple(choice for choice in known if choice in value)
    return replace(settings, **checked)


def _check(field: str, value: Any, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        there = ", ".join(known) or "none"
        raise HTTPException(400, f"{field}: unknown value {str(value)[:80]!r}; there are: {there}")
