"""Writes image files, with what they keep of their originals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from fkd_infer.errors import OutputError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.formats import (
    AVIF,
    BMP,
    JPEG,
    JPEG2000,
    PNG,
    PPM,
    TIFF,
    WEBP,
    WRITABLE_SUFFIXES,
    ImageFormat,
    by_suffix,
)
from fkd_infer.media.images.metadata import MAX_SEGMENT_BYTES, NOTHING, Original
from fkd_infer.system.files.atomic import atomic_write, output_errors

_MIN_QUALITY = 95
_XMP_TAG = 700
"""Of a TIFF."""
_WITH_ALPHA = (PNG, WEBP, TIFF, AVIF, JPEG2000)


def write_image(path: Path, image: Pixels, original: Original = NOTHING) -> None:
    """Writes BGR (H, W, 3) in the format of the suffix; the file appears when it is complete.

    It keeps the original's metadata and transparency, as far as the format can hold them, and is
    coded at no lower quality. Raises OutputError.
    """
    from PIL import Image

    format = by_suffix(path.suffix.lower())
    if format is None or path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise OutputError(path, f"an image's name ends in {', '.join(sorted(WRITABLE_SUFFIXES))}")
    pixels = original.drawn(image) if format in _WITH_ALPHA else image
    order = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    picture = Image.fromarray(cv2.cvtColor(pixels, order))
    options = _quality(format, original) | _metadata(format, original)
    with atomic_write(path) as partial, output_errors(path):
        try:
            picture.save(partial, format.name, **options)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            reason = f"Pillow does not write it as {format.name} ({error})"
            raise OutputError(path, reason) from error


def _quality(format: ImageFormat, original: Original) -> dict[str, Any]:
    if format is JPEG:
        chroma = {"subsampling": 0} if original.full_chroma else {}
        return {"quality": max(_MIN_QUALITY, original.quality), **chroma}
    if format is WEBP:
        return (
            {"lossless": True, "method": 0, "quality": 0}
            if original.lossless
            else {"quality": _MIN_QUALITY}
        )
    options: dict[ImageFormat, dict[str, Any]] = {
        PNG: {"compress_level": 1},
        # libtiff, which compresses, writes no directories within directories.
        TIFF: {} if original.exif else {"compression": "tiff_lzw"},
        AVIF: {"quality": 90, "speed": 8},
    }
    return options.get(format, {})


def _metadata(format: ImageFormat, original: Original) -> dict[str, Any]:
    """Arguments of Pillow's save()."""
    options: dict[str, Any] = {
        "exif": original.exif if format not in (BMP, PPM, JPEG2000) else None,
        "icc_profile": original.icc,
        "dpi": original.dpi,
        "xmp": original.xmp if format in (JPEG, WEBP, AVIF) else None,
    }
    xmp = original.xmp
    if format is JPEG:
        if xmp and len(xmp) > MAX_SEGMENT_BYTES:
            del options["xmp"]
        if original.iptc:
            length = (len(original.iptc) + 2).to_bytes(2, "big")
            options["extra"] = b"\xff\xed" + length + original.iptc
    elif xmp and format is PNG:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        options["pnginfo"] = text
    elif xmp and format is TIFF:
        from PIL.Image import Exif

        tags = options["exif"] = Exif()
        tags.load(original.exif or b"")
        tags[_XMP_TAG] = xmp
    return {name: value for name, value in options.items() if value is not None}
