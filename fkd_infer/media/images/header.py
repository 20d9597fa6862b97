"""Reads the headers of JPEG and PNG files: their size, and whether the data is complete.

OpenCV decodes these two, and fills up with gray what is missing. The size comes from the fields by
which decoders allocate memory, so an image that is too large is refused before it is decoded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SCAN, _END = 0xDA, 0xD9
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame's header, which holds the size."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers that no length follows."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MAX_SCANS = 100
"""Of a progressive JPEG: encoders write about ten, and decoding each visits all pixels."""
CUT_SHORT = "the file is cut short"


class Size(NamedTuple):
    """Width and height in pixels, as stored."""

    width: int
    height: int


def jpeg_size(data: bytes) -> Size | None:
    """The size of a JPEG; None if no header states it."""
    for marker, at in _jpeg_segments(data):
        if marker in _FRAME_HEADERS:
            return _size(data[at + 7 : at + 9], data[at + 5 : at + 7])
        if marker == _SCAN:
            return None
    return None


def jpeg_problem(data: bytes) -> str | None:
    """Why a JPEG must not be decoded, or None.

    It may be cut short, or have far more scans than encoders write: a small file that takes hours.
    Thumbnails have an end marker too, and phones append videos, so segments are read one by one.
    """
    markers = Counter(marker for marker, _ in _jpeg_segments(data))
    if not markers[_END]:
        return CUT_SHORT
    too_many = markers[_SCAN] > _MAX_SCANS
    return "it has hundreds of scans, each over the whole picture" if too_many else None


def png_size(data: bytes) -> Size | None:
    """The size of a PNG; None if its first chunk does not state it."""
    return _size(data[16:20], data[20:24]) if data[12:16] == b"IHDR" else None


def png_problem(data: bytes) -> str | None:
    """Why a PNG must not be decoded, or None.

    Decoders allocate what a chunk's length says, and read on after the end for missing pixels.
    """
    names = [kind for kind, _ in png_chunks(data)]
    if names.count(b"IHDR") > 1:  # the last one would count, which nothing has checked
        return "damaged: it states several sizes"
    return None if b"IEND" in names and b"IDAT" in names[: names.index(b"IEND")] else CUT_SHORT


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields the names of a PNG's complete chunks, and where their content begins."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield data[at + 4 : at + 8], at + 8
        at = end


def _size(width: bytes, height: bytes) -> Size | None:
    """A size from two numbers of the same length."""
    size = Size(int.from_bytes(width, "big"), int.from_bytes(height, "big"))
    return size if min(size) > 0 else None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields a JPEG's markers and their positions; like decoders, skips junk between them."""
    at = 2
    while match := _MARKER.search(data, at):
        at, marker = match.start(), data[match.start() + 1]
        yield marker, at
        if marker == _END:
            return
        at += 2
        if marker in _WITHOUT_LENGTH:
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == _SCAN:
            following = _MARKER_AFTER_SCAN.search(data, at)
            at = following.start() if following else len(data)
