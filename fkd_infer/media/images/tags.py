"""Tags of Exif blocks and TIFF files, which share their structure: read and patched in place.

Pillow would decode and encode all tags anew, which loses what it does not understand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ORIENTATION = 0x0112
"""The tag of how a picture is turned, from 1 to 8."""
_EXIF_DIRECTORY, _WIDTH, _HEIGHT = 0x8769, 0xA002, 0xA003
_PREFIX = b"Exif\0\0"
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of a number, by its type: BYTE, SHORT, LONG, LONG8."""


@dataclass(frozen=True)
class _Layout:
    """Byte order and sizes of numbers; a BigTIFF has larger ones."""

    order: Literal["little", "big"]
    big: bool

    @classmethod
    def of(cls, data: bytes | bytearray) -> _Layout | None:
        """The layout that the first bytes announce; None for other data."""
        orders: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
        order = orders.get(bytes(data[:2]))
        if order is None:
            return None
        magic = int.from_bytes(data[2:4], order)
        return cls(order, magic == 43) if magic in (42, 43) else None

    def number(self, data: bytes | bytearray, at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], self.order)

    def first(self, data: bytes | bytearray) -> int:
        """Where the first directory begins."""
        return self.number(data, 8, 8) if self.big else self.number(data, 4, 4)

    def entries(self, data: bytes | bytearray, start: int) -> Iterator[tuple[int, int]]:
        """Yields the tags of a directory and where their entries are; then 0 and its end."""
        head, size = (8, 20) if self.big else (2, 12)
        at = start + head
        for _ in range(self.number(data, start, head)):
            if at + size > len(data):
                return
            yield self.number(data, at, 2), at
            at += size
        yield 0, at

    def value(self, data: bytes | bytearray, entry: int) -> tuple[int, int]:
        """Where an entry's number is, and how many bytes it has; 0 if it is no number."""
        size = _SIZES.get(self.number(data, entry + 2, 2), 0)
        at, room = (12, 8) if self.big else (8, 4)
        return entry + at, size if size <= room else 0


def orientation(data: bytes) -> int:
    """How a picture is turned, by its Exif block or TIFF file; 1 if that does not say."""
    data = data.removeprefix(_PREFIX)
    layout = _Layout.of(data)
    if layout is not None:
        for tag, entry in layout.entries(data, layout.first(data)):
            if tag == ORIENTATION:
                return layout.number(data, *layout.value(data, entry))
    return 1


def made_upright(data: bytes, swap_sides: bool = False) -> bytes:
    """An Exif block or TIFF file that says that its picture is upright.

    Its thumbnail, which is not, is no longer part of it. With `swap_sides`, the width and height
    that Exif states change places.
    """
    prefix = _PREFIX if data.startswith(_PREFIX) else b""
    patched = bytearray(data.removeprefix(_PREFIX))
    layout = _Layout.of(patched)
    if layout is None:
        return data
    for tag, entry in list(layout.entries(patched, layout.first(patched))):
        at, size = layout.value(patched, entry)
        if tag == ORIENTATION and size:
            patched[at : at + size] = (1).to_bytes(size, layout.order)
        elif tag == _EXIF_DIRECTORY and swap_sides:
            details = dict(layout.entries(patched, layout.number(patched, at, size)))
            if _WIDTH in details and _HEIGHT in details:
                _swap(patched, details[_WIDTH] + 2, details[_HEIGHT] + 2, 18 if layout.big else 10)
        elif tag == 0 and prefix and entry + 4 <= len(patched):
            patched[entry : entry + 4] = bytes(4)
    return prefix + bytes(patched)


def _swap(data: bytearray, one: int, other: int, size: int) -> None:
    first, second = data[one : one + size], data[other : other + size]
    data[one : one + size], data[other : other + size] = second, first
