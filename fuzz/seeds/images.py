"""Seeds: still pictures in every format, drawn and encoded."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener

from fuzz.mutators.png import PNG, png_chunk
from fuzz.seeds.encoding import draw_picture, encode
from fuzz.seeds.gif import encode_gif

IMAGE_TOKENS = (
    b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xdb",
    b"\xff\xdd", b"\xff\xe1", b"\xff\xee", b"Exif\0\0", b"Adobe\0", PNG, b"IHDR", b"PLTE", b"IDAT",
    b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"iCCP", b"eXIf", b"RIFF", b"WEBP",
    b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"GIF87a",
    b"GIF89a", b"\x21\xf9\x04", b"\x21\xff\x0bNETSCAPE2.0\x03\x01", b"\x2c", b"\x3b", b"BM",
    b"II*\0", b"MM\0*", b"\x00\x01\x03\x00", b"\x01\x03", b"\x11\x01", b"\x17\x01",
    b"II+\0", b"MM\0+", b"P3\n", b"P6\n", b"ftypheic", b"ftypavif", b"ftypmif1", b"meta", b"iloc",
    b"iprp", b"ipco", b"ispe", b"irot", b"imir", b"infe", b"iinf", b"pitm", b"mdat", b"jP  ",
    b"jp2c", b"ihdr", b"colr", b"\xff\x4f", b"\xff\x51", b"\xff\x52",
)  # fmt: skip


@lru_cache(maxsize=1)
def images() -> dict[str, bytes]:
    """Small pictures in every format that is read, and in the variants of each format."""
    picture = draw_picture(20, 16)
    gray = np.ascontiguousarray(picture[..., 1])
    alpha = np.dstack([picture, 255 - gray])
    deep = gray.astype(np.uint16) * 257
    seeds = {
        "jpeg": encode(".jpg", picture),
        "jpeg-gray": encode(".jpg", gray),
        "jpeg-progressive": encode(".jpg", picture, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "jpeg-restarts": encode(".jpg", picture, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "png": encode(".png", picture),
        "png-gray": encode(".png", gray),
        "png-alpha": encode(".png", alpha),
        "png-deep": encode(".png", deep),
        "png-bits": encode(".png", gray & 128, cv2.IMWRITE_PNG_BILEVEL, 1),
        "png-palette": _palette_png(),
        "png-interlaced": _interlaced_png(),
        "png-animated": _animated_png(),
        "webp": encode(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 60),
        "webp-lossless": encode(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 101),
        "webp-alpha": encode(".webp", alpha, cv2.IMWRITE_WEBP_QUALITY, 60),
        "bmp": encode(".bmp", picture),
        "bmp-gray": encode(".bmp", gray),
        "bmp-runs": _run_length_bmp(),
        "tiff": encode(".tif", picture),
        "tiff-deep": encode(".tif", deep),
        "tiff-plain": encode(".tif", gray, cv2.IMWRITE_TIFF_COMPRESSION, 1),
        "gif": encode_gif(1),
        "tiff-float": encode(".tif", gray.astype(np.float32) / 255),
        "ppm": encode(".ppm", picture),
        "pgm-deep": encode(".pgm", deep),
        "jpeg-2000": _encode_with_pillow("JPEG2000", picture),
        "jpeg-2000-stream": _encode_with_pillow("JPEG2000", picture, no_jp2=True),
        "avif": _encode_with_pillow("AVIF", picture, speed=10),
        "heic": _encode_with_pillow("HEIF", picture),
        "tiff-jpeg": _encode_with_pillow("TIFF", picture, compression="jpeg"),
        "tiff-fax": _encode_with_pillow("TIFF", gray > 128, compression="group4"),
    }
    for orientation in (3, 6):
        seeds[f"jpeg-turned-{orientation}"] = _with_orientation(seeds["jpeg"], orientation)
    seeds["jpeg-cmyk"] = _cmyk_jpeg()
    return seeds


def _encode_with_pillow(format: str, pixels: NDArray[Any], **options: Any) -> bytes:
    register_heif_opener()
    out = BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Adds an EXIF block with only an orientation to a JPEG."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _cmyk_jpeg() -> bytes:
    """Encodes four components with the Huffman table and the scan of a gray JPEG."""
    gray = encode(".jpg", np.full((8, 8), 128, np.uint8), cv2.IMWRITE_JPEG_OPTIMIZE, 0)
    frame, scan = gray.index(b"\xff\xc0"), gray.index(b"\xff\xda")
    after = frame + 2 + int.from_bytes(gray[frame + 2 : frame + 4], "big")
    components = b"".join(bytes([number, 0x11, 0]) for number in range(1, 5))
    frames = b"\xff\xc0" + struct.pack(">HBHHB", 20, 8, 8, 8, 4) + components
    selectors = b"".join(bytes([number, 0]) for number in range(1, 5))
    scans = b"\xff\xda" + struct.pack(">HB", 14, 4) + selectors + bytes([0, 63, 0])
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 2])
    # A block of medium gray: a difference of 0 (00) and the end of the block (1010).
    pixels = int("001010" * 4, 2).to_bytes(3, "big")
    return (
        gray[:2] + adobe + gray[2:frame] + frames + gray[after:scan] + scans + pixels + b"\xff\xd9"
    )


def _png_header(width: int, height: int, bits: int, colour: int, interlaced: int = 0) -> bytes:
    return png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    )


def _palette_png() -> bytes:
    """Encodes 8 × 6 pixels of 2 bits with a palette and transparency."""
    rows = b"".join(b"\0" + bytes([0b00011011, 0b11100100]) for _ in range(6))
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    parts = png_chunk(b"PLTE", colours) + png_chunk(b"tRNS", bytes([0, 128, 255]))
    return (
        PNG + _png_header(8, 6, 2, 3) + parts + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )  # fmt: skip


def _interlaced_png() -> bytes:
    """Encodes 8 × 8 gray pixels in the seven passes of Adam7."""
    passes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    rows = b"".join((b"\0" + bytes(range(9, 9 + width))) * height for width, height in passes)
    return (
        PNG + _png_header(8, 8, 8, 0, 1) + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )  # fmt: skip


def _animated_png() -> bytes:
    """Encodes two gray frames."""
    rows = [zlib.compress((b"\0" + bytes([level] * 6)) * 5) for level in (60, 200)]
    controls = [
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 6, 5, 0, 0, 1, 10, 0, 0))
        for number in (0, 1)
    ]
    return b"".join(
        [
            PNG, _png_header(6, 5, 8, 0), png_chunk(b"acTL", struct.pack(">II", 2, 0)), controls[0],
            png_chunk(b"IDAT", rows[0]), controls[1],
            png_chunk(b"fdAT", struct.pack(">I", 2) + rows[1]), png_chunk(b"IEND", b""),
        ]
    )  # fmt: skip


def _run_length_bmp() -> bytes:
    """Encodes 4 × 2 pixels of 8 bits in runs."""
    runs = bytes([4, 1, 0, 0, 2, 0, 2, 1, 0, 1])
    colours = bytes(range(16)) * 2 + bytes(4 * 248)
    start = 14 + 40 + len(colours)
    head = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + colours + runs
