"""Reads animated GIF and WebP files: their timing, and the pictures of WebP.

libav reads GIF, but not animated WebP, and reports repetitions of neither.
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
"""`Animation.loop` of a GIF that is played once."""
ANIMATED_SUFFIXES = frozenset({".gif", ".webp"})
DEFAULT_DURATION = Fraction(1, 10)
"""Seconds for which players show a frame whose stated duration is too short."""
_GIF_MIN_TICKS = 2
_WEBP_MIN_TICKS = 11
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_NO_BLENDING, _DISPOSE = 2, 1
_MAX_BYTES = 2**29
"""Size of a file: it is held in memory."""
_HAS_ALPHA = 0x10


@dataclass(frozen=True)
class Animation:
    """The timing of an animated file.

    `durations` are in seconds, one per frame. `loop` is the number of repetitions as the format
    stores it; 0 means forever. `complete` says whether the file has its end.
    """

    suffix: str
    size: Size
    durations: tuple[Fraction, ...]
    loop: int
    complete: bool

    def end_of(self, time: Fraction, stride: int = 1) -> Fraction:
        """Returns when the frame at `time` is replaced, if only every `stride`-th is shown."""
        edges = [Fraction(0)]
        for duration in self.durations:
            edges.append(edges[-1] + duration)
        later = [edge for edge in edges if edge > time]
        return later[min(stride, len(later)) - 1] if later else time + DEFAULT_DURATION


def read_animation(path: Path) -> Animation | None:
    """Returns the timing of a GIF or WebP file, animated or not; None for other files.

    Raises UnreadableVideoError if the file cannot be read.
    """
    data = _read(path)
    if data is None:
        return None
    return _parse_gif(data) if data.startswith(GIF) else _parse_webp(data)


def is_animated(path: Path) -> bool:
    """Returns whether a file is a GIF or WebP of several frames; False if it cannot be read."""
    try:
        animation = read_animation(path)
    except UnreadableVideoError:
        return False
    return animation is not None and len(animation.durations) > 1


def read_webp(path: Path, gray: bool = False) -> Iterator[tuple[Pixels, Fraction]]:
    """Yields pictures of an animated WebP, BGR (H, W, 3) or gray (H, W), with their times.

    Transparent pixels are white. Raises UnreadableVideoError at the first damage.
    """
    data = _read(path) or b""
    animation = _parse_webp(data)
    canvas: Pixels | None = None
    time = Fraction(0)
    for number, (name, content) in enumerate(_frame_chunks(data)):
        if canvas is None:
            canvas = np.full((*animation.size[::-1], 3), 255, np.uint8)
        region = _paste(canvas, content)
        if name != b"ANMF" or region is None:
            raise UnreadableVideoError(path, f"damaged at frame {number}")
        yield gray_plane(canvas) if gray else canvas.copy(), time
        time += animation.durations[number]
        if content[15] & _DISPOSE:
            region[:] = 255
    if not animation.complete:
        raise UnreadableVideoError(
            path, f"cut short: it ends after {len(animation.durations)} frames"
        )


def riff_chunk(name: bytes, content: bytes) -> bytes:
    """Returns a chunk of a RIFF file, padded to an even length."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def webp_header(width: int, height: int, flags: int) -> bytes:
    """Returns the chunk of a WebP that states its size and, in flags, its other chunks."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def webp_file(chunks: bytes) -> bytes:
    """Returns a WebP file of chunks."""
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks


def _read(path: Path) -> bytes | None:
    """Reads a GIF or WebP file; returns None for other files after a few bytes."""
    try:
        with open_regular(path) as file:
            if image_suffix(file.read(16)) not in ANIMATED_SUFFIXES:
                return None
        return read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise UnreadableVideoError(path, error.strerror or str(error)) from error


def _parse_gif(data: bytes) -> Animation:
    """Reads block by block, since the content of a block may look like anything."""
    durations: list[Fraction] = []
    loop, delay, complete = ONCE, 0, False
    at = 13 + _colour_table_bytes(data[10:11])
    while at < len(data) and not complete:
        kind = data[at]
        if kind == _EXTENSION:
            label, content = data[at + 1 : at + 2], data[at + 3 : at + 19]
            if label == b"\xf9":
                delay = int.from_bytes(content[1:3], "little")
            elif content[:11] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and content[12:13] == b"\1":
                loop = int.from_bytes(content[13:15], "little")
            at = _after_blocks(data, at + 2)
        elif kind == _IMAGE:
            at = _after_blocks(data, at + 11 + _colour_table_bytes(data[at + 9 : at + 10]))
            if at <= len(data):
                durations.append(_seconds(delay, 100, _GIF_MIN_TICKS))
            delay = 0
        else:
            complete = kind == _TRAILER
            break
    return Animation(".gif", image_size(data) or Size(0, 0), tuple(durations), loop, complete)


@lru_cache(4096)
def _seconds(ticks: int, clock: int, shortest: int) -> Fraction:
    """Returns a duration; cached, since there are files of millions of frames."""
    return Fraction(ticks, clock) if ticks >= shortest else DEFAULT_DURATION


def _colour_table_bytes(flags: bytes) -> int:
    """Returns the size of the colour table that flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Returns where a sequence of sub-blocks ends; beyond the data if it is truncated."""
    while at < len(data):
        if data[at] == 0:
            return at + 1
        at += 1 + data[at]
    return len(data) + 1


def _parse_webp(data: bytes) -> Animation:
    durations = []
    for _, content in _frame_chunks(data):
        ticks = int.from_bytes(content[12:15], "little")
        durations.append(_seconds(ticks, 1000, _WEBP_MIN_TICKS))
    loop = next((c[4:6] for name, c in _chunks(data, 12) if name == b"ANIM"), b"\0\0")
    complete = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    loops = int.from_bytes(loop, "little")
    return Animation(".webp", _canvas_size(data), tuple(durations), loops, complete)


def _frame_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    return (chunk for chunk in _chunks(data, 12) if chunk[0] == b"ANMF" and len(chunk[1]) > 16)


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields names and contents of the chunks that are complete."""
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
    """Draws a frame on the canvas, and returns its region; None if it cannot be decoded."""
    left, top, width, height = (
        int.from_bytes(content[at : at + 3], "little") for at in (0, 3, 6, 9)
    )
    region = canvas[2 * top : 2 * top + height + 1, 2 * left : 2 * left + width + 1]
    chunks = content[16:]
    if chunks.startswith(b"ALPH"):
        chunks = webp_header(width + 1, height + 1, _HAS_ALPHA) + chunks
    picture = webp_file(chunks)
    if image_size(picture) != region.shape[1::-1]:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if image is None or image.shape[:2] != region.shape[:2]:
        return None
    if image.shape[2] == 3:
        region[:] = image
        return region
    opacity = image[..., 3:].astype(np.float32) / 255
    below = np.float32(255) if content[15] & _NO_BLENDING else region.astype(np.float32)
    region[:] = np.rint(opacity * image[..., :3] + (1 - opacity) * below).astype(np.uint8)
    return region
