"""Machine code of NVIDIA's GPUs in a library: fat binaries, which hold it for several generations.

A fat binary is a header (u32 magic, u16 version, u16 its own size, u64 size of what follows) and
entries: u16 kind (1 PTX, 2 machine code), u16 version, u32 size of the entry's header, u64 size of
its code, and at byte 28 the generation as u32: 90 for Hopper.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = struct.pack("<I", 0xBA55ED50)
_HEADER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQ")
_GENERATION = struct.Struct("<I")
_GENERATION_AT = 28
_MACHINE_CODE = 2
_KINDS = (1, _MACHINE_CODE)
_VERSION = 1


class Code(NamedTuple):
    """The place of an entry's code in a library, its kind and its generation."""

    start: int
    end: int
    kind: int
    generation: int


def keep_generation(library: bytearray, generation: int) -> int:
    """Overwrites the code of all other generations with zeros, which pack to nothing; returns how
    many bytes. Nothing moves.

    Fat binaries without machine code of that generation stay whole: the driver may compile their
    PTX. The library then serves one generation only.
    """
    erased = 0
    for codes in fat_binaries(library):
        kept = [
            code for code in codes if (code.kind, code.generation) == (_MACHINE_CODE, generation)
        ]
        if not kept:
            continue
        for code in set(codes) - set(kept):
            library[code.start : code.end] = bytes(code.end - code.start)
            erased += code.end - code.start
    return erased


def fat_binaries(library: bytes | bytearray) -> Iterator[list[Code]]:
    """Yields the entries of each fat binary; bytes that only look like one have none."""
    at = library.find(_MAGIC)
    while at >= 0:
        after = at + len(_MAGIC)
        if at + _HEADER.size <= len(library):
            _, version, header, size = _HEADER.unpack_from(library, at)
            end = at + header + size
            if version == _VERSION and header >= _HEADER.size and end <= len(library):
                yield list(_entries(library, at + header, end))
                after = end
        at = library.find(_MAGIC, after)


def _entries(library: bytes | bytearray, at: int, end: int) -> Iterator[Code]:
    while at + _GENERATION_AT + _GENERATION.size <= end:
        kind, _, header, size = _ENTRY.unpack_from(library, at)
        (generation,) = _GENERATION.unpack_from(library, at + _GENERATION_AT)
        start = at + header
        if kind not in _KINDS or header <= _GENERATION_AT or start + size > end:
            return
        yield Code(start, start + size, kind, generation)
        at = start + size
