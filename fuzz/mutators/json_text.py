"""Mutates JSON, and filter packs, which have some."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from fuzz.mutators.base import DefaultMutation
from fuzz.mutators.images import mutate_image

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 67, 68, 2**31, 2**63, 10**400, 0.0, -0.0, 0.5, 1e-300, 1e300,
    -1e9, float("nan"), float("inf"), "", "a", "a.png", "../a.png", "\0", "\ud800", "x\ny", [], {},
    [[]], [0], [0, 0], [1e12, -1e12], "ibug68", "head", "similarity", "affine", "piecewise",
    "multiply", "screen", "mouth_open", "detector", "end-to-end",
)  # fmt: skip


def mutate_card(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Changes a JSON text behind a byte that selects the kind of card."""
    if random.randrange(3) == 0:
        return default(data, max_size)
    return (data[:1] + _mutate_json(data[1:], random, default, max_size))[:max_size]


def mutate_pack(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Changes the JSON text or the picture of a filter pack."""
    text, zero, picture = data.partition(b"\0")
    if random.randrange(3) == 0:
        picture = mutate_image(picture, max_size, random, default)
    else:
        text = _mutate_json(text, random, default, max_size)
    return (text + (zero or b"\0") + picture)[:max_size]


def _mutate_json(text: bytes, random: Random, default: DefaultMutation, max_size: int) -> bytes:
    """Changes one to four values; applies libFuzzer's mutation to text that is not JSON."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return default(text, max_size)
    entries = _entries([root])[1:]
    if not entries or random.randrange(20) == 0:
        return default(text, max_size)
    try:
        for _ in range(random.choice((1, 1, 2, 4))):
            _change_entry(*random.choice(entries), random)
        return json.dumps(root).encode("utf-8")
    except (OverflowError, RecursionError):
        return default(text, max_size)


def _entries(root: Any) -> list[tuple[Any, Any]]:
    """Every (list or dict, key) within plain data."""
    entries: list[tuple[Any, Any]] = []
    pending = [root]
    while pending:
        container = pending.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            entries.append((container, key))
            if isinstance(container[key], dict | list):
                pending.append(container[key])
    return entries


def _change_entry(container: Any, key: Any, random: Random) -> None:
    """Removes, repeats or replaces a value, or changes a number."""
    if (isinstance(container, dict) and key not in container) or (
        isinstance(container, list) and key >= len(container)
    ):
        return  # an earlier change has removed it
    value = container[key]
    kind = random.randrange(6)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, list):
        container.insert(key, json.loads(json.dumps(value)))
    elif kind == 1:
        container[str(key) + random.choice(("", "x", "\n"))] = json.loads(json.dumps(value))
    elif kind in (2, 3) and isinstance(value, int | float):
        container[key] = random.choice((-value, value + 1, value * 2, value / 3, value * 1e6))
    else:
        container[key] = random.choice(_VALUES)
