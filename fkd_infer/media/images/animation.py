"""Animated GIF and WebP files: what their bytes say, and WebP's frames put together.

libav reads GIF and not animated WebP; of neither does it tell how often it is to be played.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.errors import UnreadableVideoError
from fkd_infer.geometry.arrays import Pixels, gray_plane
from fkd_infer.media.images.header import GIF, Size, image_size, image_suffix
from fkd_infer.system.files.reading import open_regular, read_regular

ONCE = -1
"""Repetitions of a GIF that is played once."""
ANIMATED_SUFFIXES = frozenset({".gif", ".webp"})
_USUAL = Fraction(1, 10)
"""Seconds for which players show a frame whose duration is too short to be meant."""
_GIF_SHORTEST = 2
_WEBP_SHORTEST = 11
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_NO_BLEND, _DISPOSE = 2, 1
_LARGEST = 2**29
"""Bytes of a file: it is held in memory."""
_ALPHA = 0x10


@dataclass(frozen=True)
class Animation:
    """How large frames are, how long each is shown, in seconds, and how often all are repeated, as
    its format writes it; 0 is for ever. `whole` says whether the file has its end."""

    suffix: str
    size: Size
    durations: tuple[Fraction, ...]
    loop: int
    whole: bool

    def end_of(self, time: Fraction, stride: int = 1) -> Fraction:
        """When the frame at a time, of which every `stride`-th is shown, makes way."""
        edges = [Fraction(0)]
        for duration in self.durations:
            edges.append(edges[-1] + duration)
        later = [edge for edge in edges if edge > time]
        return later[min(stride, len(later)) - 1] if later else time + _USUAL


def read_animation(path: Path) -> Animation | None:
    """What a GIF or WebP file says of its frames; None for any other file, and for none.

    Raises UnreadableVideoError where it cannot be read.
    """
    data = _read(path)
    if data is None:
        return None
    return _gif(data) if data.startswith(GIF) else _webp(data)


def is_animated(path: Path) -> bool:
    """Whether a file holds a GIF or WebP of several frames; False where it cannot be read, which
    is told by whoever reads it."""
    try:
        found = read_animation(path)
    except UnreadableVideoError:
        return False
    return found is not None and len(found.durations) > 1


def read_webp(path: Path, gray: bool = False) -> Iterator[tuple[Pixels, Fraction]]:
    """Pictures of an animated WebP, BGR (H, W, 3) or gray (H, W), and when each is shown.

    What is transparent is white. Raises UnreadableVideoError at the first damage.
    """
    data = _read(path) or b""
    animation = _webp(data)
    canvas: Pixels | None = None
    time = Fraction(0)
    for number, (name, content) in enumerate(_frames_of(data)):
        if canvas is None:
            canvas = np.full((*animation.size[::-1], 3), 255, np.uint8)
        place = _paste(canvas, content)
        if name != b"ANMF" or place is None:
            raise UnreadableVideoError(path, f"damaged at frame {number}")
        yield gray_plane(canvas) if gray else canvas.copy(), time
        time += animation.durations[number]
        if content[15] & _DISPOSE:
            place[:] = 255
    if not animation.whole:
        raise UnreadableVideoError(
            path, f"cut short: it ends after {len(animation.durations)} frames"
        )


def riff_chunk(name: bytes, content: bytes) -> bytes:
    """A part of a RIFF file, filled up to an even length."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def webp_header(width: int, height: int, flags: int) -> bytes:
    """The part of a WebP that says its size, and by flags what else is in it."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def webp_file(parts: bytes) -> bytes:
    """A WebP file of parts."""
    return b"RIFF" + (4 + len(parts)).to_bytes(4, "little") + b"WEBP" + parts


def _read(path: Path) -> bytes | None:
    """A file's bytes; None without reading on where it is neither a GIF nor a WebP."""
    try:
        with open_regular(path) as file:
            if image_suffix(file.read(16)) not in ANIMATED_SUFFIXES:
                return None
        return read_regular(path, _LARGEST)
    except OSError as error:
        raise UnreadableVideoError(path, error.strerror or str(error)) from error


def _gif(data: bytes) -> Animation:
    """Walks from block to block, since what one contains may look like anything."""
    durations: list[Fraction] = []
    loop, delay, whole = ONCE, 0, False
    at = 13 + _colours(data[10:11])
    while at < len(data) and not whole:
        kind = data[at]
        if kind == _EXTENSION:
            label, content = data[at + 1 : at + 2], data[at + 3 : at + 19]
            if label == b"\xf9":
                delay = int.from_bytes(content[1:3], "little")
            elif content[:11] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and content[12:13] == b"\1":
                loop = int.from_bytes(content[13:15], "little")
            at = _after_blocks(data, at + 2)
        elif kind == _IMAGE:
            at = _after_blocks(data, at + 11 + _colours(data[at + 9 : at + 10]))
            if at <= len(data):
                durations.append(_seconds(delay, 100, _GIF_SHORTEST))
            delay = 0
        else:
            whole = kind == _TRAILER
            break
    return Animation(".gif", image_size(data) or Size(0, 0), tuple(durations), loop, whole)


@lru_cache(4096)
def _seconds(ticks: int, clock: int, shortest: int) -> Fraction:
    """A duration; the same object for all frames of it, since files of millions of them exist."""
    return Fraction(ticks, clock) if ticks >= shortest else _USUAL


def _colours(flags: bytes) -> int:
    """Bytes of the table of colours that flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Where the run of blocks that begins there ends; behind the data where it does not."""
    while at < len(data):
        if data[at] == 0:
            return at + 1
        at += 1 + data[at]
    return len(data) + 1


def _webp(data: bytes) -> Animation:
    durations = []
    for _, content in _frames_of(data):
        shown = int.from_bytes(content[12:15], "little")
        durations.append(_seconds(shown, 1000, _WEBP_SHORTEST))
    loop = next((c[4:6] for name, c in _chunks(data, 12) if name == b"ANIM"), b"\0\0")
    whole = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    loops = int.from_bytes(loop, "little")
    return Animation(".webp", _canvas_size(data), tuple(durations), loops, whole)


def _frames_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    return (part for part in _chunks(data, 12) if part[0] == b"ANMF" and len(part[1]) > 16)


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the parts that are there in full."""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            return
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _canvas_size(data: bytes) -> Size:
    head = next((c for name, c in _chunks(data, 12) if name == b"VP8X"), bytes(10))
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (4, 7))
    return Size(width, height)


def _paste(canvas: Pixels, content: bytes) -> Pixels | None:
    """Puts a frame where it belongs, and gives that place; None where it cannot be read."""
    left, top, width, height = (
        int.from_bytes(content[at : at + 3], "little") for at in (0, 3, 6, 9)
    )
    place = canvas[2 * top : 2 * top + height + 1, 2 * left : 2 * left + width + 1]
    parts = content[16:]
    if parts.startswith(b"ALPH"):
        parts = webp_header(width + 1, height + 1, _ALPHA) + parts
    picture = webp_file(parts)
    if image_size(picture) != place.shape[1::-1]:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if image is None or image.shape[:2] != place.shape[:2]:
        return None
    if image.shape[2] == 3:
        place[:] = image
        return place
    opaque = image[..., 3:].astype(np.float32) / 255
    below = np.float32(255) if content[15] & _NO_BLEND else place.astype(np.float32)
    place[:] = np.rint(opaque * image[..., :3] + (1 - opaque) * below).astype(np.uint8)
    return place
