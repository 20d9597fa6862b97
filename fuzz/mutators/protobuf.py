"""Mutates protocol buffers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fuzz.mutators.base import EDGE_NUMBERS, DefaultMutation


def mutate_protobuf(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Changes, removes or repeats one field at any depth; the lengths around it are correct."""
    if random.randrange(4) == 0:
        return default(data, max_size)
    try:
        return _mutate_message(data, random, default, max_size)[:max_size]
    except ValueError:
        return default(data, max_size)


def _mutate_message(data: bytes, random: Random, default: DefaultMutation, max_size: int) -> bytes:
    """Raises ValueError for bytes that are not a message."""
    fields = list(_read_fields(data))
    if not fields:
        raise ValueError("an empty message")
    at = random.randrange(len(fields))
    tag, value = fields[at]
    kind = random.randrange(10)
    if kind == 0:
        del fields[at]
    elif kind == 1:
        fields.insert(random.randrange(len(fields)), fields[random.randrange(len(fields))])
    elif kind == 2:
        fields[at] = random.randrange(1, 26) << 3 | tag & 7, value
    elif isinstance(value, int):
        fields[at] = tag, random.choice((*EDGE_NUMBERS, 2**63, 2**64 - 1, value + 1))
    elif tag & 7 == 2 and kind < 9:
        try:
            fields[at] = tag, _mutate_message(value, random, default, max_size)
        except ValueError:
            fields[at] = tag, default(value, max_size)
    else:
        fields[at] = tag, default(value, max(1, len(value)))
    return b"".join(_encode_field(*field) for field in fields)


def _read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields the tag and value of each field: an int for a varint, bytes for other types."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            value, at = _read_varint(data, at)
            yield tag, value
            continue
        size = {1: 8, 5: 4}.get(tag & 7)
        if size is None:
            size, at = _read_varint(data, at)
        if tag & 7 not in (1, 2, 5) or at + size > len(data):
            raise ValueError("not a message")
        yield tag, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Reads a varint; returns it and the position after it."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("not a varint")


def _encode_field(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _encode_varint(tag) + _encode_varint(value)
    return _encode_varint(tag) + (_encode_varint(len(value)) if tag & 7 == 2 else b"") + value


def _encode_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
