"""Reads image files to BGR arrays and writes them; complete files only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fkd_infer.errors import SourceMemoryError, UnreadableImageError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.limits import Limits
from fkd_infer.media.images.decoding import decode
from fkd_infer.media.images.formats import FORMATS, HEAD_BYTES, ImageFormat, identify
from fkd_infer.media.images.header import Size
from fkd_infer.system.arguments import checked
from fkd_infer.system.files.reading import open_regular, read_regular


@checked
def read_image(
    source: str | Path | bytes | bytearray | memoryview,
    limits: Limits | None = None,
    before_decoding: Callable[[Size], object] = lambda _: None,
) -> Pixels:
    """Reads an image file, or the bytes of one, as BGR uint8 (H, W, 3), upright and without alpha.

    The content decides the format: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000 or PPM;
    of several pictures the first is read. Deeper pixels are scaled to 8 bits by their range.
    `before_decoding` is called with the stored size (width, height), and may wait.

    Where `cv2.imread` returns None, it raises UnreadableImageError: for a file that is missing,
    empty, cut short or no image. Raises LimitError, before decoding, for an image that is larger
    than `limits`, and SourceMemoryError.

    Examples:
        >>> from pathlib import Path
        >>> import fkd_infer
        >>> fkd_infer.read_image("photo.jpg").shape
        (512, 512, 3)
        >>> fkd_infer.read_image(Path("photo.jpg").read_bytes()).shape
        (512, 512, 3)
        >>> fkd_infer.read_image("party.mp4")
        Traceback (most recent call last):
        fkd_infer.errors.UnreadableImageError: party.mp4: cannot be read as an image: ...
    """
    limits = limits or Limits()
    if not isinstance(source, str | Path):
        return decode_image("image data", bytes(source), limits, before_decoding)
    data = read_bytes(Path(source), limits)
    return decode_image(str(source), data, limits, before_decoding)


def decode_image(
    name: str,
    data: bytes,
    limits: Limits,
    before_decoding: Callable[[Size], object] = lambda _: None,
) -> Pixels:
    """The image in a file's data, as `read_image` reads it; `name` is for errors."""

    def check(size: Size) -> None:
        limits.check_image(name, *size)
        before_decoding(size)

    try:
        return decode(name, data, format_of(name, data), check)
    except MemoryError as error:
        if isinstance(error, SourceMemoryError):
            raise
        raise SourceMemoryError(name) from error


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The content of an image file; raises UnreadableImageError."""
    try:
        return read_regular(path, limits.file_bytes)
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
    except ValueError as error:  # a name that no file can have
        raise UnreadableImageError(repr(str(path)), str(error)) from error


def format_of(name: str, data: bytes) -> ImageFormat:
    """The format of an image's data; raises UnreadableImageError for anything else."""
    if not data:
        raise UnreadableImageError(name, "the file is empty")
    format = identify(data[:HEAD_BYTES])
    if format is None:
        known = ", ".join(format.name for format in FORMATS)
        raise UnreadableImageError(name, f"not an image; {known} are")
    return format


def format_by_content(path: Path) -> ImageFormat | None:
    """The format of a file by its first bytes; None if it is no image."""
    return identify(read_head(path))


def read_head(path: Path) -> bytes:
    """The first bytes of a file; raises UnreadableImageError."""
    try:
        with open_regular(path) as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error
