"""Tags of Exif blocks are read and patched in place, whatever the block holds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fkd_infer.media.images.tags import ORIENTATION, made_upright, orientation

WIDTH, HEIGHT = 0xA002, 0xA003


def block(value: int, order: str = "<", kind: int = 3) -> bytes:
    """An Exif block with only an orientation."""
    number = struct.pack(f"{order}I" if kind == 4 else f"{order}Hxx", value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
    entry = struct.pack(f"{order}HHI", ORIENTATION, kind, 1) + number
    return b"Exif\0\0" + head + entry + bytes(4)


@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_an_orientation_is_read_and_made_upright(value: int, order: str, kind: int) -> None:
    data = block(value, order, kind)
    assert orientation(data) == value
    assert made_upright(data) == block(1, order, kind)


def test_sides_change_places_and_the_thumbnail_goes() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(0x8769).update({WIDTH: 40, HEIGHT: 70_000})
    data = exif.tobytes()
    with_thumbnail = bytearray(data)
    count = int.from_bytes(data[14:16], "little" if data[6:8] == b"II" else "big")
    at = 16 + 12 * count
    with_thumbnail[at : at + 4] = b"\x08\0\0\x08"
    patched = Image.Exif()
    patched.load(made_upright(bytes(with_thumbnail), swap_sides=True))
    assert patched[ORIENTATION] == 1
    assert dict(patched.get_ifd(0x8769)) == {WIDTH: 70_000, HEIGHT: 40}
    assert made_upright(bytes(with_thumbnail))[at : at + 4] == bytes(4)


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"Exif\0\0II*\0"]),
    st.booleans(),
)
def test_nothing_breaks_it(data: bytes, head: bytes, swap_sides: bool) -> None:
    assert orientation(head + data) >= 0
    assert len(made_upright(head + data, swap_sides)) == len(head + data)
