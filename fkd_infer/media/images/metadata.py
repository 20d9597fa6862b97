"""What a written picture keeps of its original: metadata, quality and transparency."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.limits import Limits
from fkd_infer.media.images.decoding import (
    RAW_PROFILE,
    decode,
    open_with_pillow,
    orientation_of,
    turned,
)
from fkd_infer.media.images.file import format_of, read_bytes
from fkd_infer.media.images.formats import JPEG, TIFF, WEBP, ImageFormat
from fkd_infer.media.images.header import Size
from fkd_infer.media.images.tags import ORIENTATION, made_upright, orientation
from fkd_infer.media.images.webp import webp_chunks

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SEGMENT_BYTES = 65_000
"""Of Exif and XMP, which a JPEG holds in one segment each."""
_EXIF, _GPS = 0x8769, 0x8825
_DESCRIPTIVE = frozenset(
    [0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, *range(0x9C9B, 0x9CA0)]
)
"""Tags of a TIFF that do not say how its pixels are stored."""
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>)\s*)\d""")
_LUMA_SUM = 3688
"""Sum of the table for luma by which a JPEG of quality 50 is quantised (ITU-T T.81, table K.1);
at a higher quality q, encoders scale the table by 2 - q / 50."""


@dataclass(frozen=True)
class Original:
    """What is kept of a picture that is drawn on.

    `exif`, `icc` (of an RGB profile), `xmp`, `iptc` and `dpi` are its metadata, upright; `quality`
    and `full_chroma` are those of a JPEG; `lossless` says whether a WebP is. `alpha` (H, W) is its
    transparency, and `pixels` (H, W, 3) what it showed, if it has any.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    quality: int = 0
    full_chroma: bool = False
    lossless: bool = False
    alpha: Pixels | None = None
    pixels: Pixels | None = field(default=None, repr=False)

    def drawn(self, image: Pixels) -> Pixels:
        """The image (H, W, 3), BGR, with the original's alpha, if any; drawn parts are opaque."""
        if self.alpha is None or self.pixels is None or self.alpha.shape != image.shape[:2]:
            return image
        changed = (image != self.pixels).any(axis=2)
        return np.dstack([image, np.where(changed, np.uint8(255), self.alpha)])


NOTHING = Original()


def read_original(path: Path, limits: Limits, metadata: bool = True) -> Original:
    """What a picture written in the place of another keeps of it; without `metadata`, only
    transparency and quality. Raises UnreadableImageError."""
    data = read_bytes(path, limits)
    format = format_of(str(path), data)

    def check(size: Size) -> None:
        limits.check_image(path, *size)

    with open_with_pillow(str(path), data, format, check) as image:
        kept = _metadata(image, format) if metadata else {}
        if image.has_transparency_data:
            image.load()
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            kept["alpha"] = turned(alpha, orientation_of(image))
            kept["pixels"] = decode(str(path), data, format, check)
        if format is JPEG:
            kept |= _jpeg_quality(image)
        if format is WEBP:
            kept["lossless"] = any(name == b"VP8L" for name, _ in webp_chunks(data))
        return Original(**kept)


def _metadata(image: Image, format: ImageFormat) -> dict[str, Any]:
    info = image.info
    icc, xmp, dpi = info.get("icc_profile"), info.get("xmp"), info.get("dpi")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    apps = dict(getattr(image, "applist", ()))
    return {
        "exif": _upright_exif(image, format),
        # A profile of gray or of inks does not fit the pixels that are written.
        "icc": icc if icc and icc[16:20] == b"RGB " else None,
        "xmp": _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp else None,
        "iptc": apps.get("APP13"),
        "dpi": (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
    }


def _upright_exif(image: Image, format: ImageFormat) -> bytes | None:
    """The Exif block of an image that has been turned upright; None if it has none, or one that no
    JPEG could hold."""
    block = _tiff_exif(image) if format is TIFF else image.info.get("exif")
    if RAW_PROFILE in image.info and block is None:
        block = image.getexif().tobytes()
    if not isinstance(block, bytes) or len(block) > MAX_SEGMENT_BYTES:
        return None
    return made_upright(block, swap_sides=4 < orientation(block) <= 8)


def _tiff_exif(image: Image) -> bytes | None:
    """What is descriptive among a TIFF's own tags, as an Exif block."""
    from PIL.Image import Exif

    try:
        tags, kept = image.getexif(), Exif()
        for tag in set(tags) & _DESCRIPTIVE:
            value = tags[tag]
            # Pillow reads texts as Latin-1, whatever they are, and writes ASCII.
            kept[tag] = value.encode("latin-1") if isinstance(value, str) else value
        for directory in {_EXIF, _GPS} & set(tags):
            kept.get_ifd(directory).update(tags.get_ifd(directory))
        if not kept and not {_EXIF, _GPS} & set(tags):
            return None
        kept[ORIENTATION] = tags.get(ORIENTATION, 1)
        return kept.tobytes()
    except Exception:  # noqa: BLE001 (Pillow raises whatever comes up for damaged metadata)
        return None


def _jpeg_quality(image: Image) -> dict[str, Any]:
    """The quality of a JPEG by its table for luma, and whether its chroma has all pixels."""
    from PIL.JpegImagePlugin import get_sampling

    tables = getattr(image, "quantization", {})
    luma = sum(tables[0]) if tables.get(0) else _LUMA_SUM
    quality = max(1, min(100, math.ceil(100 - 50 * luma / _LUMA_SUM)))
    return {"quality": quality, "full_chroma": get_sampling(image) == 0}
