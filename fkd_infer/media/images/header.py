"""What image files say of themselves: their format and size, and whether they are whole.

The size is read from the very fields that decoders allocate memory by, so that one that is too
large is refused before a byte of it is decoded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

JPEG, PNG, GIF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"
_TIFF: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_BEGINNINGS = {JPEG: ".jpg", PNG: ".png", GIF: ".gif", b"BM": ".bmp"} | dict.fromkeys(_TIFF, ".tif")

_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame's header, which says its size."""
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers that carry no length."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MOST_SCANS = 100
"""Scans of a progressive JPEG; encoders write about ten, and each goes over the whole picture."""
_CUT_SHORT = "the file is cut short"
_WIDTH, _HEIGHT = 256, 257
_SHORT, _LONG = 3, 4
"""TIFF's tags of a picture's size, and the types that they may have."""


class Size(NamedTuple):
    """Pixels across and down, as they are stored."""

    width: int
    height: int


def image_suffix(head: bytes) -> str | None:
    """The suffix that a file's first 16 bytes ask for; None where they are not an image's."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _BEGINNINGS.items() if head.startswith(start)), None)


def image_size(data: bytes) -> Size | None:
    """The size of an image of a known format; None where its header does not say it."""
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
    """Why a file must not be decoded. Its end is missing: OpenCV fills such pictures up with gray.
    Or a JPEG has more scans than encoders write: it is small, and takes hours to decode."""
    if data.startswith(JPEG):
        return _jpeg_fault(data)
    if data.startswith(PNG):
        whole = _png_ends(data)
    elif data.startswith(b"RIFF"):
        whole = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    else:
        return None
    return None if whole else _CUT_SHORT


def _fields(
    data: bytes, at: int, length: int, order: Literal["little", "big"], signed: bool = False
) -> Size | None:
    """Width and height that follow each other."""
    if len(data) < at + 2 * length:
        return None
    width, height = (
        int.from_bytes(data[i : i + length], order, signed=signed) for i in (at, at + length)
    )
    return Size(width, height)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG and where they stand. As in decoders, junk between them is skipped."""
    at = 2
    while found := _MARKER.search(data, at):
        at, marker = found.start(), data[found.start() + 1]
        yield marker, at
        if marker == _END:
            return
        at += 2
        if marker in _BARE:
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == _SCAN:
            following = _MARKER_AFTER_SCAN.search(data, at)
            at = following.start() if following else len(data)


def _jpeg_size(data: bytes) -> Size | None:
    for marker, at in _segments(data):
        if marker in _FRAMES:
            size = _fields(data, at + 5, 2, "big")
            return None if size is None else Size(size.height, size.width)
        if marker == _SCAN:
            return None
    return None


def _jpeg_fault(data: bytes) -> str | None:
    """Its end is looked for segment by segment, since thumbnails have one too; what phones append
    after it, such as a short video, does not matter."""
    markers = Counter(marker for marker, _ in _segments(data))
    if not markers[_END]:
        return _CUT_SHORT
    many = markers[_SCAN] > _MOST_SCANS
    return "it has hundreds of scans, each over the whole picture" if many else None


def _png_ends(data: bytes) -> bool:
    """Whether the last part is there in full: decoders take as much memory as a part says it is."""
    at = len(PNG)
    while at + 12 <= len(data):
        is_last = data[at + 4 : at + 8] == b"IEND"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if is_last:
            return at <= len(data)
    return False


def _bmp_size(data: bytes) -> Size | None:
    old = int.from_bytes(data[14:18], "little") == 12
    size = _fields(data, 18, 2, "little") if old else _fields(data, 18, 4, "little", signed=True)
    return None if size is None else Size(abs(size.width), abs(size.height))


def _tiff_size(data: bytes) -> Size | None:
    """From the first directory of tags, wherever it lies."""
    order = _TIFF[data[:4]]

    def number(at: int, length: int) -> int:
        return int.from_bytes(data[at : at + length], order)

    start = number(4, 4)
    found: dict[int, int] = {}
    end = min(start + 2 + 12 * number(start, 2), len(data))
    for entry in range(start + 2, end, 12):
        tag, kind = number(entry, 2), number(entry + 2, 2)
        if tag in (_WIDTH, _HEIGHT) and kind in (_SHORT, _LONG):
            value = number(entry + 8, 2 if kind == _SHORT else 4)
            found[tag] = max(value, found.get(tag, 0))  # said twice, decoders differ
    if len(found) < 2:
        return None
    return Size(found[_WIDTH], found[_HEIGHT])


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
