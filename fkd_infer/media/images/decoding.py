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
from fkd_infer.media.images.tags import ORIENTATION, made_upright, orientation
from fkd_infer.media.images.webp import is_complete, webp_size

if TYPE_CHECKING:
    from PIL.Image import Image

NO_MEMORY = -4
"""OpenCV's error code for a failed allocation."""
_BITS, _SUBFILE, _PHOTOMETRIC, _PLANES, _DIRECTORIES = 258, 254, 262, 284, 330
_SAMPLE_FORMAT, _DNG_VERSION = 339, 50706
"""Tags of TIFF."""
_SAVE_AS = "save it with 8 bits for each colour"
_BIT_DEPTHS = (8, 10, 12, 14, 16, 32)
_BYTE = 255.0
_BAND = 256
"""Rows that are scaled at once."""
RAW_PROFILE = "Raw profile type exif"
"""Where ImageMagick stores Exif in a PNG."""
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

_PROBLEMS: dict[ImageFormat, Callable[[bytes], str | None]] = {JPEG: jpeg_problem, PNG: png_problem}
"""Why data that OpenCV decodes must not be decoded."""
CheckSize = Callable[[Size], object]
"""Refuses a size by an exception, before anything is decoded."""


def decode(name: str, data: bytes, format: ImageFormat, check: CheckSize) -> Pixels:
    """An image as BGR (H, W, 3), upright and without alpha; `name` is for errors.

    Deeper pixels are scaled to 8 bits by the range that they use. Raises UnreadableImageError for
    damaged data, MemoryError, and what `check` raises.
    """
    problem = _PROBLEMS[format](data) if format in _PROBLEMS else None
    if problem is not None:
        raise UnreadableImageError(name, problem)
    if format is JPEG or (format is PNG and _is_plain_png(data)):
        check(_known(name, jpeg_size(data) if format is JPEG else png_size(data)))
        pixels = _decode_with_opencv(data, cv2.IMREAD_COLOR)
        if pixels is not None:
            return pixels
    try:
        with open_with_pillow(name, data, format, check) as image:
            return _deep_pixels(name, image, data) if _is_deep(image) else upright_bgr(image)
    except UnreadableImageError as error:
        # An error with a way out is a verdict; others may be about what OpenCV can read.
        if format is not TIFF or error.fix or (pixels := _decode_tiff(name, data, check)) is None:
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
        # Without a name: Pillow would map the file of that name into memory.
        with getattr(import_module(module), reader)(BytesIO(data)) as image:
            if format is not WEBP:
                check(Size(*image.size))
            if _is_raw(image, data):
                fix = "develop it to a JPEG or TIFF first"
                raise UnreadableImageError(name, "it is a camera's raw file", fix)
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
    turn = orientation_of(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        # Pillow has no unsigned numbers of 32 bits.
        tags = getattr(image, "tag_v2", {})
        unsigned = image.mode == "I" and tags.get(_SAMPLE_FORMAT, 1) == 1
        pixels = _bgr(values.view(np.uint32) if unsigned else values, turn)
        white_is_zero = tags.get(_PHOTOMETRIC, 1) == 0
        return ~pixels if white_is_zero else pixels
    return _bgr(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), turn)


def orientation_of(image: Image) -> int:
    """How Pillow's image is turned, from 1 to 8; 1 if its metadata does not say, or is damaged.

    Pillow itself turns a TIFF when it loads it. XMP does not count, as in browsers.
    """
    block = image.info.get("exif")
    if isinstance(block, bytes):
        turn = orientation(block)
    elif RAW_PROFILE in image.info:
        try:
            turn = image.getexif().get(ORIENTATION, 1)
        except Exception:  # noqa: BLE001 (of damaged metadata; the picture may be whole)
            turn = 1
    else:
        turn = 1
    return turn if turn in UPRIGHT else 1


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
        if kind == b"eXIf" or data.startswith(RAW_PROFILE.encode(), at):
            return False
    return True


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
    """Whether an image has colours of 16 bits, of which Pillow reads the upper 8, or others."""
    modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    bits = getattr(image, "tag_v2", {}).get(_BITS, 8)
    deepest = max(bits) if isinstance(bits, tuple) else bits
    is_deep = deepest > 8 or any("16" in mode or "65535" in mode for mode in modes)
    return is_deep and image.mode[0] not in "IF"


def _is_raw(image: Image, data: bytes) -> bool:
    """Whether a TIFF holds a camera's raw data, of which its first picture is only a preview."""
    tags = getattr(image, "tag_v2", {})
    is_preview = tags.get(_SUBFILE, 0) == 1 and _DIRECTORIES in tags
    return _DNG_VERSION in tags or is_preview or (bool(tags) and data[8:10] == b"CR")


def _deep_pixels(name: str, image: Image, data: bytes) -> Pixels:
    """The pixels of an image of 16 bits, by OpenCV."""
    tags = getattr(image, "tag_v2", {})
    turn = orientation(data) if tags else orientation_of(image)
    # OpenCV reads colours that are apart from each other as if they were together.
    apart = tags.get(_PLANES, 1) != 1
    pixels = None if apart else _decode_with_opencv(made_upright(data), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        problem = "its 16 bits are stored in a way that is not read"
        raise UnreadableImageError(name, problem, _SAVE_AS)
    return _bgr(pixels, turn)


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
        apart = directory.get(_PLANES, 1) != 1
    check(size)
    if apart:
        return None
    # Some versions of OpenCV turn a TIFF, and some do not.
    pixels = _decode_with_opencv(made_upright(data), cv2.IMREAD_UNCHANGED)
    return None if pixels is None else _bgr(pixels, orientation(data))


def _bgr(stored: NDArray[Any], turn: int) -> Pixels:
    """Upright BGR of 8 bits, from what OpenCV or Pillow decoded: gray, BGR or BGRA of any depth."""
    values = _to_8_bits(stored[..., :3] if stored.ndim == 3 else stored)
    pixels = values if values.ndim == 3 else cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)
    return turned(np.asarray(pixels, np.uint8), turn)


def _to_8_bits(values: NDArray[Any]) -> Pixels:
    """Scales deeper values by their range.

    Whole numbers are taken to have the smallest usual depth that holds the largest of them: data of
    12 bits in a file of 16 would be nearly black otherwise. Fractions fill the range from 0 to 1,
    or from 0 to 255, or else from their smallest to their largest.
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    low, high = _range(values)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _BAND):  # floats of all at once would need much memory
        band = np.nan_to_num(values[start : start + _BAND].astype(np.float32), posinf=0, neginf=0)
        scaled[start : start + _BAND] = np.rint(
            ((band - low) * (_BYTE / (high - low))).clip(0, _BYTE)
        )
    return scaled


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """The values that become 0 and 255."""
    if np.issubdtype(values.dtype, np.integer):
        largest = int(values.max(initial=0))
        return 0.0, next(2.0**bits - 1 for bits in _BIT_DEPTHS if largest < 2**bits)
    finite = np.isfinite(values)
    low = float(values.min(initial=0, where=finite))
    high = float(values.max(initial=1, where=finite))
    if low >= 0 and high <= _BYTE:
        return 0.0, 1.0 if high <= 1 else _BYTE
    return low, high
