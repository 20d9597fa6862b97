"""Mutations that keep files well formed enough to get past checksums and parsers.

Half of the time libFuzzer's own mutation does it, and only what would stop every reader at once,
such as a checksum, is mended after it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Plain = Callable[[bytes, int], bytes]
"""libFuzzer's own mutation: an input, and how long the result may be."""
Mutator = Callable[[bytes, int, Random, Plain], bytes]

PNG = b"\x89PNG\r\n\x1a\n"
_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 2**32 - 1)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 67, 68, 2**31, 2**63, 10**400, 0.0, -0.0, 0.5, 1e-300, 1e300,
    -1e9, float("nan"), float("inf"), "", "a", "a.png", "../a.png", "\0", "\ud800", "x\ny", [], {},
    [[]], [0], [0, 0], [1e12, -1e12], "ibug68", "head", "similarity", "affine", "piecewise",
    "multiply", "screen", "mouth_open", "detector", "end-to-end",
)  # fmt: skip


def plainly_mutated(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """libFuzzer's own mutation."""
    return plain(data, longest)


def mutated_image(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """A picture with a changed number near its beginning or in a part, or changed anywhere; with
    the checksums and the length that its format asks for."""
    way = random.randrange(4)
    if way == 0 and data.startswith(PNG):
        return _mutated_png(data, longest, random, plain)
    data = _renumbered(data, random) if way == 1 else plain(data, longest)
    if random.random() < 0.1:
        return data
    return _mended_riff(mended_png(data))[:longest]


def mutated_json(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """A byte and a JSON text of which one value is another one, gone or elsewhere."""
    if random.randrange(3) == 0:
        return plain(data, longest)
    return (data[:1] + _mutated_text(data[1:], random, plain, longest))[:longest]


def mutated_pack(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """A pack whose table or picture is changed."""
    table, zero, picture = data.partition(b"\0")
    if random.randrange(3) == 0:
        picture = mutated_image(picture, longest, random, plain)
    else:
        table = _mutated_text(table, random, plain, longest)
    return (table + (zero or b"\0") + picture)[:longest]


def mutated_wire(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """A protocol buffer of which one field, however deep, is another one, gone or twice; lengths
    around it are right."""
    if random.randrange(4) == 0:
        return plain(data, longest)
    try:
        return _mutated_message(data, random, plain, longest)[:longest]
    except ValueError:
        return plain(data, longest)


def mended_png(data: bytes) -> bytes:
    """A PNG whose checksums are right; anything else as it is."""
    if not data.startswith(PNG):
        return data
    found, at = [PNG], len(PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        found.append(data[at:end] + zlib.crc32(data[at + 4 : end]).to_bytes(4, "big"))
        at = end + 4
    return b"".join([*found, data[at:]])


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    body = name + content
    return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    return found


def _mutated_png(data: bytes, longest: int, random: Random, plain: Plain) -> bytes:
    """One part changed, doubled or left out; what is compressed is changed before it is."""
    chunks = _png_chunks(data)
    if not chunks:
        return plain(data, longest)
    at = random.randrange(len(chunks))
    name, content = chunks[at]
    way = random.randrange(6)
    if way == 0:
        chunks.insert(random.randrange(len(chunks)), chunks[at])
    elif way == 1:
        del chunks[at]
    elif way == 2 and name == b"IDAT":
        try:
            pixels = zlib.decompressobj().decompress(content, longest)
            content = zlib.compress(plain(pixels, longest))
        except zlib.error:
            content = plain(content, longest)
        chunks[at] = name, content
    elif way == 3:
        chunks[at] = name, _renumbered(content, random)
    else:
        chunks[at] = name, plain(content, longest)
    return (PNG + b"".join(png_chunk(*chunk) for chunk in chunks))[:longest]


def _renumbered(data: bytes, random: Random) -> bytes:
    """With a number of 1 to 4 bytes, of either order, replaced by one that programs trip over."""
    if not data:
        return data
    size = random.choice((1, 2, 3, 4))
    at = random.randrange(min(len(data), 80) if random.random() < 0.7 else len(data))
    number = random.choice(_NUMBERS) % (1 << 8 * size)
    written = number.to_bytes(size, "big")
    return data[:at] + (written if random.random() < 0.5 else written[::-1]) + data[at + size :]


def _mended_riff(data: bytes) -> bytes:
    """A RIFF file that says its length; anything else as it is."""
    if not data.startswith(b"RIFF"):
        return data
    return data[:4] + max(0, len(data) - 8).to_bytes(4, "little") + data[8:]


def _mutated_text(text: bytes, random: Random, plain: Plain, longest: int) -> bytes:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return plain(text, longest)
    places = _places([table])[1:]
    if not places or random.randrange(20) == 0:
        return plain(text, longest)
    try:
        for _ in range(random.choice((1, 1, 2, 4))):
            _change(*random.choice(places), random)
        return json.dumps(table).encode("utf-8")
    except (OverflowError, RecursionError):
        return plain(text, longest)


def _mutated_message(data: bytes, random: Random, plain: Plain, longest: int) -> bytes:
    """Raises ValueError for what is no message."""
    fields = list(_wire_fields(data))
    if not fields:
        raise ValueError("an empty message")
    at = random.randrange(len(fields))
    tag, value = fields[at]
    way = random.randrange(10)
    if way == 0:
        del fields[at]
    elif way == 1:
        fields.insert(random.randrange(len(fields)), fields[random.randrange(len(fields))])
    elif way == 2:
        fields[at] = random.randrange(1, 26) << 3 | tag & 7, value
    elif isinstance(value, int):
        fields[at] = tag, random.choice((*_NUMBERS, 2**63, 2**64 - 1, value + 1))
    elif tag & 7 == 2 and way < 9:
        try:
            fields[at] = tag, _mutated_message(value, random, plain, longest)
        except ValueError:
            fields[at] = tag, plain(value, longest)
    else:
        fields[at] = tag, plain(value, max(1, len(value)))
    return b"".join(_wire(*field) for field in fields)


def _wire_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Tags and values of a message: an int of a varint, bytes of all others."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag, value
            continue
        size = {1: 8, 5: 4}.get(tag & 7)
        if size is None:
            size, at = _varint(data, at)
        if tag & 7 not in (1, 2, 5) or at + size > len(data):
            raise ValueError("no message")
        yield tag, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("no number")


def _wire(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _written(tag) + _written(value)
    return _written(tag) + (_written(len(value)) if tag & 7 == 2 else b"") + value


def _written(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (list or table, key) within plain data."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def _change(holder: Any, key: Any, random: Random) -> None:
    """Another value there, a number a little or a lot different, a value twice, or none."""
    if (isinstance(holder, dict) and key not in holder) or (
        isinstance(holder, list) and key >= len(holder)
    ):
        return  # an earlier change took it away
    value = holder[key]
    way = random.randrange(6)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(value)))
    elif way == 1:
        holder[str(key) + random.choice(("", "x", "\n"))] = json.loads(json.dumps(value))
    elif way in (2, 3) and isinstance(value, int | float):
        holder[key] = random.choice((-value, value + 1, value * 2, value / 3, value * 1e6))
    else:
        holder[key] = random.choice(_VALUES)
