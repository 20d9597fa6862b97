"""Reads image files to BGR arrays and writes them; complete files only."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import OutputError, SourceMemoryError, UnreadableImageError
from fkd_infer.limits import Limits
from fkd_infer.media.images.header import GIF, Size, image_problem, image_size, image_suffix
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.reading import open_regular, read_regular

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
NO_MEMORY = -4
"""OpenCV's error code for a failed allocation."""
_SIGNATURE_BYTES = 16


def read_image(
    path: str | Path,
    limits: Limits | None = None,
    before_decoding: Callable[[Size], object] = lambda _: None,
) -> NDArray[np.uint8]:
    """Reads an image as BGR (H, W, 3), upright and without alpha.

    The content decides the format: JPEG, PNG, WebP, BMP, TIFF, or the first picture of a GIF.
    `before_decoding` is called with the size, and may wait. Raises UnreadableImageError for a file
    that is missing, empty, truncated or no image, LimitError, before decoding, for an image that is
    larger than `limits`, and SourceMemoryError.
    """
    path, limits = Path(path), limits or Limits()
    try:
        data = read_regular(path, limits.file_bytes)
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    size = _checked_size(path, data)
    limits.check_image(path, *size)
    before_decoding(size)
    try:
        return _decode_gif(path, data) if data.startswith(GIF) else _decode(path, data)
    except MemoryError as error:
        raise SourceMemoryError(path) from error


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes BGR (H, W, 3) in the format of the suffix; the file appears when it is complete."""
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise OutputError(path, f"an image's name ends in {', '.join(sorted(IMAGE_SUFFIXES))}")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    try:
        success, data = cv2.imencode(suffix, image, quality)
    except cv2.error as error:
        raise OutputError(path, error.err) from error
    if not success:
        raise OutputError(path, f"OpenCV does not encode {suffix!r} images")
    with atomic_write(path) as partial, output_errors(path):
        partial.write_bytes(data.data)


def suffix_by_content(path: Path) -> str | None:
    """Returns the suffix that fits a file's first bytes; None if it is no image."""
    try:
        with open_regular(path) as file:
            return image_suffix(file.read(_SIGNATURE_BYTES))
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error


def _checked_size(path: Path, data: bytes) -> Size:
    """Returns the size of an image; raises UnreadableImageError for data that is not a full one."""
    if not data:
        raise UnreadableImageError(path, "the file is empty")
    if image_suffix(data[:_SIGNATURE_BYTES]) is None:
        raise UnreadableImageError(path, "not an image; JPEG, PNG, WebP, BMP, TIFF and GIF are")
    if (problem := image_problem(data)) is not None:
        raise UnreadableImageError(path, problem)
    size = image_size(data)
    if size is None:
        raise UnreadableImageError(path, "damaged: its header does not say its size")
    return size


def _decode(path: Path, data: bytes) -> NDArray[np.uint8]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if error.code == NO_MEMORY:
            raise MemoryError from error
        raise UnreadableImageError(path, error.err) from error
    if image is None:
        raise UnreadableImageError(path, "not an image, or a damaged one")
    return np.asarray(image, dtype=np.uint8)


def _decode_gif(path: Path, data: bytes) -> NDArray[np.uint8]:
    """Decodes the first picture of a GIF with libav, since not every OpenCV reads GIF."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(BytesIO(data), "r", format="gif") as container:
            picture = next(container.decode(video=0), None)
    except FFmpegError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    if picture is None:
        raise UnreadableImageError(path, "the file is cut short")
    return np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
