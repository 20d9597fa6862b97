"""Image files to BGR arrays and back, whole or not at all."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import OutputError, UnreadableImageError
from fkd_infer.wholefile import whole_file, writing

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_GIF = b"GIF8"
_TIFF = {b"II*\0": ".tif", b"MM\0*": ".tif"}
_BEGINNINGS = {_JPEG: ".jpg", _PNG: ".png", _GIF: ".gif", b"BM": ".bmp", **_TIFF}
_SCAN, _END = 0xDA, 0xD9
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers that carry no length."""
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """The picture in a file as BGR (H, W, 3), decoded by content, upright, without alpha.

    Raises UnreadableImageError for a file that is absent, empty, cut short or no image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    if not data:
        raise UnreadableImageError(path, "the file is empty")
    if _is_cut_short(data):
        raise UnreadableImageError(path, "the file is cut short")
    if data.startswith(_GIF):
        return _read_gif(Path(path), data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
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
    with whole_file(path) as partial, writing(path):
        partial.write_bytes(data.data)


def suffix_by_content(path: Path) -> str | None:
    """The suffix that a file's first bytes ask for; None where they are not an image's."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _BEGINNINGS.items() if head.startswith(start)), None)


def _is_cut_short(data: bytes) -> bool:
    """True where the format's end is missing; OpenCV fills such pictures up with gray."""
    if data.startswith(_JPEG):
        return not _jpeg_ends(data)
    if data.startswith(_PNG):
        return not _png_ends(data)
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False


def _jpeg_ends(data: bytes) -> bool:
    """Whether the end marker comes; looked for segment by segment, since thumbnails have one too.

    What phones append after it, such as a short video, does not matter; junk between segments is
    left to the decoder.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker == _END:
            return True
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == _SCAN:
                found = _MARKER_AFTER_SCAN.search(data, at)
                at = found.start() if found else len(data)
    rest = data[at : at + 2]
    return len(rest) == 2 and (rest[0] != 0xFF or rest[1] == _END)


def _png_ends(data: bytes) -> bool:
    at = len(_PNG)
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False
