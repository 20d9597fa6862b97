"""Reads and writes the wire format of protocol buffers, to change ONNX files byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Value = int | bytes
Fields = list[tuple[int, int, Value]]
"""(number, wire type, value) of each field; values of varints are int, others bytes."""
_FIXED_SIZES = {1: 8, 5: 4}


def varint(value: int) -> bytes:
    value %= 1 << 64
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, value: Value) -> bytes:
    """Encodes a field: an int as a varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data: bytes) -> Fields:
    fields: Fields = []
    at = 0
    while at < len(data):
        tag, at = _decode_varint(data, at)
        if tag & 7 == 0:
            value, at = _decode_varint(data, at)
            fields.append((tag >> 3, 0, value))
            continue
        size = _FIXED_SIZES.get(tag & 7)
        if size is None:
            size, at = _decode_varint(data, at)
        fields.append((tag >> 3, tag & 7, data[at : at + size]))
        at += size
    return fields


def _decode_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def build(fields: Fields) -> bytes:
    return b"".join(
        varint(number << 3 | wire_type) + value
        if wire_type in _FIXED_SIZES and isinstance(value, bytes)
        else field(number, value)
        for number, wire_type, value in fields
    )


def with_changed(data: bytes, path: Sequence[int], change: Callable[[Any], Value]) -> bytes:
    """Changes the value of the first field at a path of field numbers."""
    fields = parse(data)
    number, *rest = path
    for index, (other, wire_type, value) in enumerate(fields):
        if other == number:
            if rest:
                assert isinstance(value, bytes)
                value = with_changed(value, rest, change)
            else:
                value = change(value)
            fields[index] = (other, wire_type, value)
            return build(fields)
    raise LookupError(f"no field {number}")


def with_replaced(data: bytes, path: Sequence[int], value: Value) -> bytes:
    return with_changed(data, path, lambda _: value)


def with_added(data: bytes, path: Sequence[int], *more: bytes) -> bytes:
    """Appends fields to the first message at a path."""
    if not path:
        return data + b"".join(more)
    return with_changed(data, path, lambda value: value + b"".join(more))


def without(data: bytes, number: int) -> bytes:
    return build([entry for entry in parse(data) if entry[0] != number])


def only_fields(data: bytes, number: int) -> bytes:
    return build([entry for entry in parse(data) if entry[0] == number])
