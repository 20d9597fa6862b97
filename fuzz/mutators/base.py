"""The types of mutators, and libFuzzer's own mutation."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

DefaultMutation = Callable[[bytes, int], bytes]
"""libFuzzer's own mutation: takes an input and the largest size of the result."""
Mutator = Callable[[bytes, int, Random, DefaultMutation], bytes]

EDGE_NUMBERS = (
    0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 2**32 - 1
)  # fmt: skip
"""Integers at the limits of their types."""


def mutate_bytes(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Applies libFuzzer's own mutation."""
    return default(data, max_size)
