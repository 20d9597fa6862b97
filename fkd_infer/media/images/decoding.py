"""Decodes images to upright BGR: JPEG and PNG by OpenCV, all other formats by Pillow.

OpenCV is the faster of the two. Pillow reads what OpenCV does not, and OpenCV the deep TIFF files
that Pillow does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import FkdError, UnreadableImageError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.formats import JPEG, PNG, TIFF, WEBP, ImageFormat
from fkd_infer.media.images.header import (
    CUT_SHORT,
    Size,
    jpeg_problem,
    jpeg_size,
    png_chunks,
    png_problem,
    png_size,
)
from fkd_infer.media.images.webp import is_complete, webp_size

if TYPE_CHECKING:
    from PIL.Image import Image

NO_MEMORY = -4
"""OpenCV's error code for a failed allocation."""
ORIENTATION = 0x0112
"""The tag, of Exif and TIFF, of how a picture is turned."""
_SAMPLE_FORMAT = 339
"""Tag of a TIFF: 1 for unsigned whole numbers."""
_BIT_DEPTHS = (8, 10, 12, 14, 16, 32)
_BYTE = 255.0
_TRUNCATED = ("truncated", "cut short", "unexpected end", "end of file", "not enough image data")
UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}
"""What undoes each orientation but 1."""

CheckSize = Callable[[Size], object]
"""Refuses a size by an exception, before anything is decoded."""


def decode(name: str, data: bytes, format: ImageFormat, check: CheckSize) -> Pixels:
    """An image as BGR (H, W, 3), upright and without alpha; `name` is for errors.

    Deeper pixels are scaled to 8 bits by the range that they use. Raises UnreadableImageError for
    damaged data, MemoryError, and what `check` raises.
    """
    if format is JPEG or (format is PNG and _is_plain_png(data)):
        pixels = _decode_quickly(name, data, format, check)
        if pixels is not None:
            return pixels
    try:
        with open_with_pillow(name, data, format, check) as image:
            return _deep_pixels(image, data) if _is_deep(image) else upright_bgr(image)
    except UnreadableImageError:
        if format is not TIFF or (pixels := _decode_tiff(name, data, check)) is None:
            raise
        return pixels


@contextmanager
def open_with_pillow(
    name: str, data: bytes, format: ImageFormat, check: CheckSize
) -> Iterator[Image]:
    """An image of Pillow for the block, in which all its errors become UnreadableImageError."""
    if format is WEBP:  # Pillow allocates its pixels when it opens one
        if not is_complete(data):
            raise UnreadableImageError(name, CUT_SHORT)
        check(_known(name, webp_size(data)))
    with pillow_errors(name):
        module, reader = format.reader
        # Not Image.open(), whose limit on pixels is the same for all of a process.
        with getattr(import_module(module), reader)(BytesIO(data), name) as image:
            if format is not WEBP:
                check(Size(*image.size))
            yield image


@contextmanager
def pillow_errors(name: str) -> Iterator[None]:
    """Turns what Pillow raises for damaged data into UnreadableImageError."""
    try:
        yield
    except (FkdError, MemoryError):
        raise
    except Exception as error:
        # Its readers raise whatever comes up: SyntaxError, KeyError, struct.error, RuntimeError.
        text = " ".join(str(error).split())
        reason = f"damaged, or of a kind that is not read: {text}"
        if isinstance(error, EOFError) or any(word in text.lower() for word in _TRUNCATED):
            reason = CUT_SHORT
        elif not isinstance(error, OSError | SyntaxError | ValueError | RuntimeError):
            reason = "damaged"  # the text is for programmers
        raise UnreadableImageError(name, reason) from error


def upright_bgr(image: Image) -> Pixels:
    """The pixels of Pillow's image, as BGR (H, W, 3), turned as its metadata says."""
    image.load()
    orientation = orientation_of(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        # Pillow has no unsigned numbers of 32 bits.
        unsigned = image.mode == "I" and getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, 1) == 1
        return _bgr(values.view(np.uint32) if unsigned else values, orientation)
    return _bgr(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), orientation)


def orientation_of(image: Image) -> int:
    """How Pillow's image is turned, from 1 to 8; 1 if its metadata does not say, or is damaged."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 (of damaged metadata; the picture may be whole)
        return 1
    return orientation if orientation in UPRIGHT else 1


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels (H, W, ...) of an image, upright, from how they are stored."""
    turn = UPRIGHT.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _is_plain_png(data: bytes) -> bool:
    """Whether OpenCV reads a PNG as well as Pillow: of 8 bits, with nothing about orientation."""
    if data[24:25] == b"\x10":
        return False
    for kind, at in png_chunks(data):
        if kind == b"IDAT":
            return True
        if kind == b"eXIf" or data[at : at + 16] == b"Raw profile type":
            return False
    return True


def _decode_quickly(name: str, data: bytes, format: ImageFormat, check: CheckSize) -> Pixels | None:
    """Decodes a JPEG or PNG with OpenCV; None if it cannot."""
    problem, size = (
        (jpeg_problem(data), jpeg_size(data))
        if format is JPEG
        else (png_problem(data), png_size(data))
    )
    if problem is not None:
        raise UnreadableImageError(name, problem)
    check(_known(name, size))
    return _decode_with_opencv(data, cv2.IMREAD_COLOR)


def _decode_with_opencv(data: bytes, flags: int) -> NDArray[Any] | None:
    """Decodes with OpenCV; None if it cannot, MemoryError for a lack of memory."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if error.code == NO_MEMORY:
            raise MemoryError from error
        return None


def _known(name: str, size: Size | None) -> Size:
    if size is None:
        raise UnreadableImageError(name, "damaged: its header does not say its size")
    return size


def _is_deep(image: Image) -> bool:
    """Whether an image has colours of 16 bits, of which Pillow reads the upper 8."""
    modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return any("16" in mode or "65535" in mode for mode in modes) and image.mode[0] not in "IF"


def _deep_pixels(image: Image, data: bytes) -> Pixels:
    """The pixels of an image of 16 bits: by OpenCV, or the upper 8 bits by Pillow."""
    pixels = _decode_with_opencv(data, cv2.IMREAD_UNCHANGED)
    return upright_bgr(image) if pixels is None else _bgr(pixels, orientation_of(image))


def _decode_tiff(name: str, data: bytes, check: CheckSize) -> Pixels | None:
    """Decodes a TIFF that Pillow does not read, such as colours of 32 bits; None if impossible."""
    from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, ImageFileDirectory_v2

    file = BytesIO(data)
    with pillow_errors(name):
        is_big = b"+" in data[2:4]
        directory = ImageFileDirectory_v2(file.read(16 if is_big else 8))
        file.seek(directory.next)
        directory.load(file)
        size = Size(int(directory[IMAGEWIDTH]), int(directory[IMAGELENGTH]))
        orientation = directory.get(ORIENTATION, 1)
    check(size)
    pixels = _decode_with_opencv(data, cv2.IMREAD_UNCHANGED)
    return None if pixels is None else _bgr(pixels, orientation)


def _bgr(stored: NDArray[Any], orientation: int) -> Pixels:
    """Upright BGR of 8 bits, from what OpenCV or Pillow decoded: gray, BGR or BGRA of any depth."""
    values = _to_8_bits(stored[..., :3] if stored.ndim == 3 else stored)
    pixels = values if values.ndim == 3 else cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)
    return turned(np.asarray(pixels, np.uint8), orientation)


def _to_8_bits(values: NDArray[Any]) -> Pixels:
    """Scales deeper values by their range.

    Whole numbers are taken to have the smallest usual depth that holds the largest of them: data of
    12 bits in a file of 16 would be nearly black otherwise. Fractions fill the range from 0 to 1,
    or from 0 to 255, or else from their smallest to their largest.
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    if np.issubdtype(values.dtype, np.integer):
        low, high = 0.0, float(values.max(initial=0))
        high = next(2.0**bits - 1 for bits in _BIT_DEPTHS if high < 2**bits)
    else:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        low, high = float(values.min(initial=0)), float(values.max(initial=1))
        if low >= 0 and high <= _BYTE:
            low, high = 0.0, 1.0 if high <= 1 else _BYTE
    scaled = (values.astype(np.float32) - low) * (_BYTE / (high - low))
    return np.asarray(np.rint(scaled.clip(0, _BYTE)), np.uint8)
