"""Reads moving pictures: animated GIF, WebP and PNG.

Pillow decodes them. Their timing is read from the files themselves, since Pillow tells it of a
frame only after it has decoded those before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np

from fkd_infer.errors import UnreadableImageError, UnreadableVideoError
from fkd_infer.geometry.arrays import Pixels, gray_plane
from fkd_infer.media.images.decoding import open_with_pillow
from fkd_infer.media.images.formats import GIF, HEAD_BYTES, PNG, WEBP, ImageFormat, identify
from fkd_infer.media.images.header import PNG_SIGNATURE, Size, png_chunks, png_size
from fkd_infer.media.images.webp import chunk, is_complete, webp_chunks, webp_file, webp_size
from fkd_infer.system.files.reading import open_regular, read_regular

if TYPE_CHECKING:
    from PIL.Image import Image

ONCE = -1
"""`Animation.loop` of a GIF that is played once."""
DEFAULT_DURATION = Fraction(1, 10)
"""Seconds for which players show a frame whose stated duration is too short."""
_SHORTEST = Fraction(11, 1000)
"""Seconds; a GIF states hundredths, of which players accept two and more."""
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_SEVERAL_SIZES = "damaged: it states several sizes"
_MAX_BYTES = 2**29
"""Size of a file: it is held in memory."""


@dataclass(frozen=True)
class Animation:
    """The timing of an animated file.

    `durations` are in seconds, one per frame. `loop` is the number of repetitions as the format
    stores it; 0 means forever. `complete` says whether the file has its end.
    """

    format: ImageFormat
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
    """Returns the timing of a GIF, WebP or PNG, with one duration if it is not animated; None for
    other files.

    Raises UnreadableVideoError if the file cannot be read.
    """
    content = _read(path)
    if content is None:
        return None
    format, data = content
    return _PARSERS[format.name](data)


def is_animated(path: Path) -> bool:
    """Returns whether a file has several frames; False if it cannot be read."""
    try:
        animation = read_animation(path)
    except UnreadableVideoError:
        return False
    return animation is not None and len(animation.durations) > 1


def read_frames(path: Path, gray: bool = False) -> Iterator[tuple[Pixels, Fraction]]:
    """Yields an animation's pictures, BGR (H, W, 3) or gray (H, W), with their times.

    Transparent pixels are white. Raises UnreadableVideoError at the first damage.
    """
    content = _read(path)
    if content is None:
        raise UnreadableVideoError(path, "not an animation")
    format, data = content
    animation = _PARSERS[format.name](data)
    if format is WEBP and not animation.complete:  # libwebp refuses it as a whole
        data = webp_file(b"".join(chunk(*content) for content in webp_chunks(data)))
    time, number = Fraction(0), 0

    def check(size: Size) -> None:
        # Callers have checked the size that the timing was read with.
        if size.width > animation.size.width or size.height > animation.size.height:
            raise UnreadableVideoError(path, _SEVERAL_SIZES)

    try:
        with open_with_pillow(str(path), data, format, check) as image:
            # The first picture of a PNG may be one for programs that show no animations.
            first = int(getattr(image, "default_image", False))
            for number, duration in enumerate(animation.durations):
                image.seek(first + number)
                picture = _on_white(image)
                yield (gray_plane(picture) if gray else picture), time
                time += duration
    except UnreadableImageError as error:
        if animation.complete or number + 1 < len(animation.durations):
            raise UnreadableVideoError(path, f"damaged at frame {number}") from error
    else:
        number += 1
    if not animation.complete:
        raise UnreadableVideoError(path, f"cut short: it ends after {number} frames")


def _on_white(image: Image) -> Pixels:
    """The current picture as BGR, on white."""
    if not image.has_transparency_data:
        return np.asarray(
            cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), np.uint8
        )
    pixels = np.asarray(image.convert("RGBA"))
    opacity = pixels[..., 3:].astype(np.float32) / 255
    return np.asarray(np.rint(opacity * pixels[..., 2::-1] + (1 - opacity) * 255), np.uint8)


def _read(path: Path) -> tuple[ImageFormat, bytes] | None:
    """Reads a GIF, WebP or animated PNG; returns None for other files after a few bytes."""
    try:
        with open_regular(path) as file:
            format = identify(file.read(HEAD_BYTES))
            if format is None or format.name not in _PARSERS:
                return None
            if format is PNG and not _announces_animation(file):
                return None
        data = read_regular(path, _MAX_BYTES)
        if format is PNG and [kind for kind, _ in png_chunks(data)].count(b"IHDR") != 1:
            raise UnreadableVideoError(path, _SEVERAL_SIZES)
        return format, data
    except OSError as error:
        raise UnreadableVideoError(path, error.strerror or str(error)) from error


def _parse_gif(data: bytes) -> Animation:
    """Reads block by block, since the content of a block may look like anything."""
    durations: list[Fraction] = []
    loop, delay, complete = ONCE, 0, False
    size = Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
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
            left, top, wide, high = (
                int.from_bytes(data[i : i + 2], "little") for i in range(at + 1, at + 9, 2)
            )
            # Frames may reach beyond the screen.
            size = Size(max(size.width, left + wide), max(size.height, top + high))
            at = _after_blocks(data, at + 11 + _colour_table_bytes(data[at + 9 : at + 10]))
            if at <= len(data):
                durations.append(_seconds(delay, 100))
            delay = 0
        else:
            complete = kind == _TRAILER
            break
    return Animation(GIF, size, tuple(durations), loop, complete)


@lru_cache(4096)
def _seconds(ticks: int, clock: int) -> Fraction:
    """Returns a duration; cached, since there are files of millions of frames."""
    duration = Fraction(ticks, clock)
    return duration if duration >= _SHORTEST else DEFAULT_DURATION


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
    chunks = list(webp_chunks(data))
    ticks = [int.from_bytes(c[12:15], "little") for name, c in chunks if name == b"ANMF"]
    loop = next((c[4:6] for name, c in chunks if name == b"ANIM"), b"\0\0")
    size, durations = webp_size(data) or Size(0, 0), tuple(_seconds(t, 1000) for t in ticks)
    return Animation(WEBP, size, durations, int.from_bytes(loop, "little"), is_complete(data))


def _announces_animation(file: BinaryIO) -> bool:
    """Whether a PNG has the chunk of an animation, which precedes the first picture."""
    file.seek(len(PNG_SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        if head[4:] == b"acTL":
            return True
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False


def _parse_png(data: bytes) -> Animation:
    durations: list[Fraction] = []
    loop, complete = 0, False
    for kind, at in png_chunks(data):
        if kind == b"fcTL":
            delay, clock = (int.from_bytes(data[i : i + 2], "big") for i in (at + 20, at + 22))
            durations.append(_seconds(delay, clock or 100))
        elif kind == b"acTL":
            loop = int.from_bytes(data[at + 4 : at + 8], "big")
        complete = kind == b"IEND"
    return Animation(PNG, png_size(data) or Size(0, 0), tuple(durations), loop, complete)


_PARSERS: dict[str, Callable[[bytes], Animation]] = {
    GIF.name: _parse_gif,
    WEBP.name: _parse_webp,
    PNG.name: _parse_png,
}
