"""The formats of image files: how their content begins, who reads them, and what they become."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES = 64
"""Bytes at the start of a file that tell its format."""


@dataclass(frozen=True)
class ImageFormat:
    """A format that is read.

    `name` is Pillow's; `reader` are the module and the class that read it. Files that end in one of
    its `suffixes` are of this format, and it is written under those in `writable`. `written` is the
    suffix of other outputs: of the format itself, or of the nearest that can be written.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: tuple[str, str]
    writable: tuple[str, ...]
    written: str


def _of_pillow(name: str, suffixes: str, plugin: str, written: str = "") -> ImageFormat:
    """A format that is written under all its suffixes, or only as `written`, which may be
    another's."""
    own = tuple(suffixes.split())
    writable = tuple(suffix for suffix in own if written in ("", suffix))
    reader = (f"PIL.{plugin}ImagePlugin", f"{plugin}ImageFile")
    return ImageFormat(name, own, reader, writable, written or own[0])


JPEG = _of_pillow("JPEG", ".jpg .jpeg .jpe .jfif", "Jpeg")
PNG = _of_pillow("PNG", ".png .apng", "Png")
WEBP = _of_pillow("WEBP", ".webp", "WebP")
# A palette has too few colours to draw with.
GIF = _of_pillow("GIF", ".gif", "Gif", ".png")
BMP = _of_pillow("BMP", ".bmp .dib", "Bmp")
TIFF = _of_pillow("TIFF", ".tif .tiff", "Tiff")
JPEG2000 = _of_pillow("JPEG2000", ".jp2 .j2k .j2c .jpc .jpf .jpx", "Jpeg2K", ".jp2")
PPM = _of_pillow("PPM", ".ppm .pgm .pbm .pnm .pfm", "Ppm", ".ppm")
AVIF = _of_pillow("AVIF", ".avif", "Avif")
HEIF = ImageFormat(
    "HEIF", (".heic", ".heif", ".hif"), ("pi_heif.as_plugin", "HeifImageFile"), (), ".jpg"
)
FORMATS = (JPEG, PNG, WEBP, GIF, BMP, TIFF, JPEG2000, PPM, AVIF, HEIF)

IMAGE_SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.suffixes)
WRITABLE_SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.writable)
ANIMATED = (GIF, WEBP, PNG)
"""Formats of moving pictures."""

_SIGNATURES = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF8": GIF,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    b"\0\0\0\x0cjP  \r\n\x87\n": JPEG2000,
    b"\xff\x4f\xff\x51": JPEG2000,
}
_PPM = re.compile(rb"P[1-7fF]\s+[#\d]")
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Sizes that the second header of a BMP may state: many texts begin with BM too."""
_BRANDS = {
    b"avif": AVIF,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"mif3"), HEIF),
}
"""Brands of still pictures in the container that videos use too; sequences are videos."""


def identify(head: bytes) -> ImageFormat | None:
    """The format of a file by its first `HEAD_BYTES`; None if it is no image."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        brands = head[8 : int.from_bytes(head[:4], "big")]
        compatible = {brands[at : at + 4] for at in range(8, len(brands), 4)}
        # The main brand may be the general one, "mif1"; the others say how it is coded.
        return AVIF if b"avif" in compatible and brands[:4] == b"mif1" else _BRANDS.get(brands[:4])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    if _PPM.match(head):
        return PPM
    return next((format for start, format in _SIGNATURES.items() if head.startswith(start)), None)


def by_suffix(suffix: str) -> ImageFormat | None:
    """The format whose files end in a suffix, in lower case."""
    return next((format for format in FORMATS if suffix in format.suffixes), None)
