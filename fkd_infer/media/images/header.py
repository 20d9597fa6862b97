"""Reads the headers of image files: format, size, and whether the data is complete.

The size comes from the fields by which decoders allocate memory, so an image that is too large is
refused before any of it is decoded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

JPEG, PNG, GIF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"
_TIFF: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_SIGNATURES = {JPEG: ".jpg", PNG: ".png", GIF: ".gif", b"BM": ".bmp"} | dict.fromkeys(_TIFF, ".tif")

_SCAN, _END = 0xDA, 0xD9
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame's header, which holds the size."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers that no length follows."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MAX_SCANS = 100
"""Of a progressive JPEG: encoders write about ten, and decoding each visits all pixels."""
_TRUNCATED = "the file is cut short"
_WIDTH, _HEIGHT = 256, 257
_SHORT, _LONG = 3, 4
"""TIFF's tags of the size, and the types that they may have."""


class Size(NamedTuple):
    """Width and height in pixels, as stored."""

    width: int
    height: int


def image_suffix(head: bytes) -> str | None:
    """Returns the suffix that fits a file's first 16 bytes; None if it is no image."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SIGNATURES.items() if head.startswith(start)), None)


def image_size(data: bytes) -> Size | None:
    """Returns the size of an image; None for other data and for a header without a size."""
    readers = {
        ".jpg": _jpeg_size,
        ".png": lambda data: _fields(data, 16, 4, "big") if data[12:16] == b"IHDR" else None,
        ".gif": lambda data: _fields(data, 6, 2, "little"),
        ".bmp": _bmp_size,
        ".tif": _tiff_size,
        ".webp": _webp_size,
    }
    suffix = image_suffix(data[:16])
    size = readers[suffix](data) if suffix else None
    return size if size is not None and min(size) > 0 else None


def image_problem(data: bytes) -> str | None:
    """Returns why an image must not be decoded, or None.

    It may be truncated: OpenCV fills such images up with gray. Or a JPEG may have far more scans
    than encoders write: a small file that takes hours to decode.
    """
    if data.startswith(JPEG):
        return _jpeg_problem(data)
    if data.startswith(PNG):
        complete = _png_is_complete(data)
    elif data.startswith(b"RIFF"):
        complete = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    else:
        return None
    return None if complete else _TRUNCATED


def _fields(
    data: bytes, at: int, length: int, order: Literal["little", "big"], signed: bool = False
) -> Size | None:
    """Returns a width and a height that follow each other."""
    if len(data) < at + 2 * length:
        return None
    width, height = (
        int.from_bytes(data[i : i + length], order, signed=signed) for i in (at, at + length)
    )
    return Size(width, height)


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


def _jpeg_size(data: bytes) -> Size | None:
    for marker, at in _jpeg_segments(data):
        if marker in _FRAME_HEADERS:
            size = _fields(data, at + 5, 2, "big")
            return None if size is None else Size(size.height, size.width)
        if marker == _SCAN:
            return None
    return None


def _jpeg_problem(data: bytes) -> str | None:
    """Reads segment by segment: thumbnails have an end marker too, and phones append videos."""
    markers = Counter(marker for marker, _ in _jpeg_segments(data))
    if not markers[_END]:
        return _TRUNCATED
    too_many = markers[_SCAN] > _MAX_SCANS
    return "it has hundreds of scans, each over the whole picture" if too_many else None


def _png_is_complete(data: bytes) -> bool:
    """Returns whether the last chunk is complete; decoders allocate what a chunk's length says."""
    at = len(PNG)
    while at + 12 <= len(data):
        is_last = data[at + 4 : at + 8] == b"IEND"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if is_last:
            return at <= len(data)
    return False


def _bmp_size(data: bytes) -> Size | None:
    is_core_header = int.from_bytes(data[14:18], "little") == 12
    if is_core_header:
        return _absolute(_fields(data, 18, 2, "little"))
    return _absolute(_fields(data, 18, 4, "little", signed=True))


def _absolute(size: Size | None) -> Size | None:
    return None if size is None else Size(abs(size.width), abs(size.height))


def _tiff_size(data: bytes) -> Size | None:
    """Reads the first directory of tags, wherever it is."""
    order = _TIFF[data[:4]]

    def number(at: int, length: int) -> int:
        return int.from_bytes(data[at : at + length], order)

    start = number(4, 4)
    values: dict[int, int] = {}
    end = min(start + 2 + 12 * number(start, 2), len(data))
    for entry in range(start + 2, end, 12):
        tag, kind = number(entry, 2), number(entry + 2, 2)
        if tag in (_WIDTH, _HEIGHT) and kind in (_SHORT, _LONG):
            value = number(entry + 8, 2 if kind == _SHORT else 4)
            values[tag] = max(value, values.get(tag, 0))  # decoders differ for a repeated tag
    if len(values) < 2:
        return None
    return Size(values[_WIDTH], values[_HEIGHT])


def _webp_size(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Size(width, height)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        size = _fields(data, 26, 2, "little")
        return None if size is None else Size(size.width & 0x3FFF, size.height & 0x3FFF)
    if kind == b"VP8L" and data[20:21] == b"\x2f" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    return None
