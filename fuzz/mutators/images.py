"""Mutates pictures."""

from __future__ import annotations

import zlib
from random import Random

from fuzz.mutators.base import EDGE_NUMBERS, DefaultMutation
from fuzz.mutators.png import (
    PNG,
    correct_png_checksums,
    correct_riff_length,
    png_chunk,
    read_png_chunks,
)


def mutate_image(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Changes a chunk of a PNG, a number near the start, or any bytes of a picture.

    Nine of ten results have the checksums and the length that their format requires.
    """
    kind = random.randrange(4)
    if kind == 0 and data.startswith(PNG):
        return _mutate_png(data, max_size, random, default)
    data = _replace_number(data, random) if kind == 1 else default(data, max_size)
    if random.random() < 0.1:
        return data
    return correct_riff_length(correct_png_checksums(data))[:max_size]


def _mutate_png(data: bytes, max_size: int, random: Random, default: DefaultMutation) -> bytes:
    """Changes, repeats or removes one chunk; pixels are changed before they are compressed."""
    chunks = read_png_chunks(data)
    if not chunks:
        return default(data, max_size)
    at = random.randrange(len(chunks))
    name, content = chunks[at]
    kind = random.randrange(6)
    if kind == 0:
        chunks.insert(random.randrange(len(chunks)), chunks[at])
    elif kind == 1:
        del chunks[at]
    elif kind == 2 and name == b"IDAT":
        try:
            pixels = zlib.decompressobj().decompress(content, max_size)
            content = zlib.compress(default(pixels, max_size))
        except zlib.error:
            content = default(content, max_size)
        chunks[at] = name, content
    elif kind == 3:
        chunks[at] = name, _replace_number(content, random)
    else:
        chunks[at] = name, default(content, max_size)
    return (PNG + b"".join(png_chunk(*chunk) for chunk in chunks))[:max_size]


def _replace_number(data: bytes, random: Random) -> bytes:
    """Overwrites 1 to 4 bytes with an edge number, in either byte order, mostly near the start."""
    if not data:
        return data
    size = random.choice((1, 2, 3, 4))
    at = random.randrange(min(len(data), 80) if random.random() < 0.7 else len(data))
    number = random.choice(EDGE_NUMBERS) % (1 << 8 * size)
    encoded = number.to_bytes(size, "big")
    return data[:at] + (encoded if random.random() < 0.5 else encoded[::-1]) + data[at + size :]
