"""Image files to BGR arrays and back, whole or not at all."""

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
"""OpenCV's number for memory that could not be had."""
_HEAD = 16


def read_image(
    path: str | Path,
    limits: Limits | None = None,
    admit: Callable[[Size], object] = lambda _: None,
) -> NDArray[np.uint8]:
    """The picture in a file as BGR (H, W, 3), decoded by content, upright, without alpha.

    JPEG, PNG, WebP, BMP, TIFF and the first picture of a GIF are read. `admit` is told its size
    before it is decoded, and may wait. Raises UnreadableImageError for a file that is absent,
    empty, cut short or no image, LimitError, before it is decoded, for one that is larger than
    `limits`, and SourceMemoryError.
    """
    path, limits = Path(path), limits or Limits()
    try:
        data = read_regular(path, limits.file_bytes)
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    size = _checked_size(path, data)
    limits.check_image(path, *size)
    admit(size)
    try:
        return _read_gif(path, data) if data.startswith(GIF) else _decoded(path, data)
    except MemoryError as error:
        raise SourceMemoryError(path) from error


def _checked_size(path: Path, data: bytes) -> Size:
    """The size of a picture whose bytes look right."""
    if not data:
        raise UnreadableImageError(path, "the file is empty")
    if image_suffix(data[:_HEAD]) is None:
        raise UnreadableImageError(path, "not an image; JPEG, PNG, WebP, BMP, TIFF and GIF are")
    if (fault := image_problem(data)) is not None:
        raise UnreadableImageError(path, fault)
    size = image_size(data)
    if size is None:
        raise UnreadableImageError(path, "damaged: its header does not say its size")
    return size


def _decoded(path: Path, data: bytes) -> NDArray[np.uint8]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if error.code == NO_MEMORY:
            raise MemoryError from error
        raise UnreadableImageError(path, error.err) from error
    if image is None:
        raise UnreadableImageError(path, "not an image, or a damaged one")
    return np.asarray(image, dtype=np.uint8)


def _read_gif(path: Path, data: bytes) -> NDArray[np.uint8]:
    """The first picture of a GIF, by libav, since not every OpenCV has a reader."""
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


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes BGR (H, W, 3) in the format of the name's suffix, under a temporary name first."""
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise OutputError(path, f"an image's name ends in {', '.join(sorted(IMAGE_SUFFIXES))}")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    try:
        done, data = cv2.imencode(suffix, image, quality)
    except cv2.error as error:
        raise OutputError(path, error.err) from error
    if not done:
        raise OutputError(path, f"OpenCV does not encode {suffix!r} images")
    with atomic_write(path) as partial, output_errors(path):
        partial.write_bytes(data.data)


def suffix_by_content(path: Path) -> str | None:
    """The suffix that a file's first bytes ask for; None where they are not an image's."""
    try:
        with open_regular(path) as file:
            return image_suffix(file.read(_HEAD))
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
