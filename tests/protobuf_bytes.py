"""Protocol buffers' wire format as tests write it: ONNX files, changed byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Value = int | bytes
Fields = list[tuple[int, int, Value]]
"""(number, wire type, value) of each field: an int for a varint, bytes for the others."""
_FIXED = {1: 8, 5: 4}


def varint(value: int) -> bytes:
    value %= 1 << 64
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, value: Value) -> bytes:
    """One field: a varint or, of bytes, one with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data: bytes) -> Fields:
    found: Fields = []
    at = 0
    while at < len(data):
        tag, at = _read(data, at)
        if tag & 7 == 0:
            value, at = _read(data, at)
            found.append((tag >> 3, 0, value))
            continue
        size = _FIXED.get(tag & 7)
        if size is None:
            size, at = _read(data, at)
        found.append((tag >> 3, tag & 7, data[at : at + size]))
        at += size
    return found


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def build(fields: Fields) -> bytes:
    return b"".join(
        varint(number << 3 | wire) + value
        if wire in _FIXED and isinstance(value, bytes)
        else field(number, value)
        for number, wire, value in fields
    )


def changed(data: bytes, path: Sequence[int], change: Callable[[Any], Value]) -> bytes:
    """A message whose first field at a path of numbers has another value."""
    fields = parse(data)
    number, *rest = path
    for place, (found, wire, value) in enumerate(fields):
        if found == number:
            if rest:
                assert isinstance(value, bytes)
                value = changed(value, rest, change)
            else:
                value = change(value)
            fields[place] = (found, wire, value)
            return build(fields)
    raise LookupError(f"no field {number}")


def replaced(data: bytes, path: Sequence[int], value: Value) -> bytes:
    return changed(data, path, lambda _: value)


def added(data: bytes, path: Sequence[int], *more: bytes) -> bytes:
    """A message with more fields at the end of the first message at a path."""
    if not path:
        return data + b"".join(more)
    return changed(data, path, lambda value: value + b"".join(more))


def without(data: bytes, number: int) -> bytes:
    return build([entry for entry in parse(data) if entry[0] != number])


def only(data: bytes, number: int) -> bytes:
    return build([entry for entry in parse(data) if entry[0] == number])
