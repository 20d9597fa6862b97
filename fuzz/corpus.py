"""Inputs to begin with, drawn and written by this script: nothing binary is kept in the repository.

Each function gives the seeds of a target by name; `*_TOKENS` are bytes that its formats know.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np

from fkd_infer.choices import Blend
from fkd_infer.filters.warp_table import WARPS
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.media.images.animation import riff_chunk, webp_file, webp_header
from fkd_infer.models.cards.base import Training
from fkd_infer.models.cards.detector import DetectorAccuracy, DetectorCard, DetectorParity
from fkd_infer.models.cards.end_to_end import EndToEndCard, EndToEndParity
from fkd_infer.models.cards.landmark import (
    InputSpec,
    LandmarkAccuracy,
    ModelCard,
    OutputSpec,
    Parity,
)
from fuzz.mutators import PNG, png_chunk

_MODELS = Path(__file__).parents[1] / "tests" / "data" / "models"
ONNX_TOKENS = (
    b"fkd", b"image", b"points", b"score", b"batch", b"ai.onnx", b"ai.onnx.ml", b"If", b"Loop",
    b"Scan", b"location", b"offset", b"length", b"../a", b"/a", b"a", b"C:\\a",
    b"\xff" * 9 + b"\x01",
)  # fmt: skip
IMAGE_TOKENS = (
    b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xdb",
    b"\xff\xdd", b"\xff\xe1", b"\xff\xee", b"Exif\0\0", b"Adobe\0", PNG, b"IHDR", b"PLTE", b"IDAT",
    b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"iCCP", b"eXIf", b"RIFF", b"WEBP",
    b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"GIF87a",
    b"GIF89a", b"\x21\xf9\x04", b"\x21\xff\x0bNETSCAPE2.0\x03\x01", b"\x2c", b"\x3b", b"BM",
    b"II*\0", b"MM\0*", b"\x00\x01\x03\x00", b"\x01\x03", b"\x11\x01", b"\x17\x01",
)  # fmt: skip
CSV_TOKENS = (
    b"source,frame,x0,y0,x1,y1", b"a.jpg,0,1,2,3,4", b'"', b'""', b",", b"\n", b"\r\n", b"\r",
    b"\0", b"nan", b"inf", b"-inf", b"1e39", b"1e400", b"-0", b"1_0", b"0x1p3", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xe2\x80\xa8", b"a.png", b"../training/a.png", b"\xd9\xa1", b"9" * 40,
)  # fmt: skip
JSON_TOKENS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"null", b"true", b"false", b"{}", b"[]", b"[[[[",
    b'"version"', b'"task"', b'"scheme"', b'"input"', b'"crop"', b'"layers"', b'"anchors"', b'"at"',
    b'"points"', b'"\\ud800"', b'"\\u0000"', b"9" * 40, b"1e-300", b"1e300", b"\xff",
    b"\xef\xbb\xbf",
)  # fmt: skip


@lru_cache(maxsize=1)
def images() -> dict[str, bytes]:
    """Small pictures in every format that OpenCV reads here, and in the forms that formats have."""
    picture = _picture(20, 16)
    gray = np.ascontiguousarray(picture[..., 1])
    alpha = np.dstack([picture, 255 - gray])
    deep = gray.astype(np.uint16) * 257
    found = {
        "jpeg": _encoded(".jpg", picture),
        "jpeg-gray": _encoded(".jpg", gray),
        "jpeg-progressive": _encoded(".jpg", picture, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "jpeg-restarts": _encoded(".jpg", picture, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "png": _encoded(".png", picture),
        "png-gray": _encoded(".png", gray),
        "png-alpha": _encoded(".png", alpha),
        "png-deep": _encoded(".png", deep),
        "png-bits": _encoded(".png", gray & 128, cv2.IMWRITE_PNG_BILEVEL, 1),
        "png-palette": _palette_png(),
        "png-interlaced": _interlaced_png(),
        "png-animated": _animated_png(),
        "webp": _encoded(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 60),
        "webp-lossless": _encoded(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 101),
        "webp-alpha": _encoded(".webp", alpha, cv2.IMWRITE_WEBP_QUALITY, 60),
        "bmp": _encoded(".bmp", picture),
        "bmp-gray": _encoded(".bmp", gray),
        "bmp-runs": _run_length_bmp(),
        "tiff": _encoded(".tif", picture),
        "tiff-deep": _encoded(".tif", deep),
        "tiff-plain": _encoded(".tif", gray, cv2.IMWRITE_TIFF_COMPRESSION, 1),
        "gif": _gif(1),
    }
    for orientation in (3, 6):
        found[f"jpeg-turned-{orientation}"] = _turned(found["jpeg"], orientation)
    found["jpeg-cmyk"] = _cmyk_jpeg()
    return found


def animations() -> dict[str, bytes]:
    """Animated GIF and WebP, and still ones."""
    alpha = np.dstack([_picture(12, 10), _picture(12, 10)[..., 0]])
    parts = {
        "lossy": _encoded(".webp", _picture(12, 10), cv2.IMWRITE_WEBP_QUALITY, 60),
        "lossless": _encoded(".webp", _picture(12, 10), cv2.IMWRITE_WEBP_QUALITY, 101),
        "alpha": _encoded(".webp", alpha, cv2.IMWRITE_WEBP_QUALITY, 60),
    }
    still = images()
    return {
        "gif": _gif(3),
        "gif-still": still["gif"],
        "webp-still": still["webp-lossless"],
        **{f"webp-{name}": _animated_webp(part) for name, part in parts.items()},
    }


def boxes() -> dict[str, bytes]:
    """--boxes files."""
    header = "source,frame,x0,y0,x1,y1"
    return {
        "plain": f"{header}\na.jpg,0,1,2,3,4\nb/c.mp4,7,0,0,9.5,9\n".encode(),
        "quoted": f'\ufeff{header}\r\n"a ""b"".jpg",0,-1e3,2,3,4\r\n"x\ny",1,0,0,1,1\r\n'.encode(),
        "empty": f"{header}\n".encode(),
    }


def datasets() -> dict[str, bytes]:
    """A data set's CSV, of two points a face."""
    return {
        "plain": b",0,1,2,3\na.png,1.5,2,7,8\na.png,3,4,5,6\n",
        "quoted": b'"",0,1,2,3\r\n"a.png","1","2","3","4"\r\n',
        "bad": b",0,1,2,3\nb.png,1,2,3,4\na.png,nan,,1e9,x\n",
    }


def cards() -> dict[str, bytes]:
    """The three kinds of card, each behind a byte that says which it is, and cards with all that
    they can have."""
    plain, full = _landmark_card(), _full_card()
    detector = _detector_card()
    both = EndToEndCard("both", full, detector, 0.4, 0.5, parity=EndToEndParity(0.01, 9, "drawn"))
    return {
        "landmarks": b"\0" + plain.to_json().encode(),
        "landmarks-full": b"\0" + full.to_json().encode(),
        "landmarks-scheme": b"\0" + _own_scheme(plain),
        "detector": b"\1" + detector.to_json().encode(),
        "end-to-end": b"\2" + both.to_json().encode(),
    }


def models() -> dict[str, bytes]:
    """The tiny networks of the tests, which tests/make_tiny_models.py makes."""
    return {path.stem: path.read_bytes() for path in sorted(_MODELS.glob("*.onnx"))}


def packs() -> dict[str, bytes]:
    """Filters of one or two pictures for every warp and blend, with a picture a.png."""
    picture = _picture(14, 12)
    image = np.dstack([picture, np.maximum(picture[..., 0], 60)])
    png = _encoded(".png", image)
    found = {}
    for number, warp in enumerate(WARPS):
        layer: dict[str, Any] = {
            "image": "a.png",
            "warp": warp,
            "blend": get_args(Blend)[number % 3],
            "anchors": [
                {"points": [36, 39], "at": [2.5, 3]},
                {"points": [45], "at": [11, 3]},
                {"points": [8], "at": [7, 40]},
                {"points": [30], "at": [7, 8]},
            ],
            "offset": [0.1, -0.05],
            "scale": 1.2,
            "opacity": 0.8,
            "z": number,
        }
        other = {"image": "a.png", "anchors": layer["anchors"][:2], "mirrored": True, "turn": 30}
        other |= {"depth": 0.2, "round": True, "when": "mouth_open", "brightness": False}
        table = {"version": 1, "name": "n", "title": "t", "layers": [layer, other]}
        found[warp] = json.dumps(table).encode() + b"\0" + png
    return found


def _picture(width: int, height: int) -> Pixels:
    """Smooth colours with a disc, so that every coder has something to do."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    picture = np.dstack([x * 12 % 256, y * 15 % 256, (x + y) * 7 % 256]).astype(np.uint8)
    picture[(x - width / 2) ** 2 + (y - height / 2) ** 2 < 16] = (40, 200, 230)
    return picture


def _encoded(suffix: str, image: np.ndarray[Any, Any], *options: int) -> bytes:
    done, data = cv2.imencode(suffix, image, options)
    assert done
    return data.tobytes()


def _turned(jpeg: bytes, orientation: int) -> bytes:
    """With an EXIF block that holds nothing but an orientation."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _cmyk_jpeg() -> bytes:
    """Four components of one Huffman table each: a gray JPEG's own scan, said four times."""
    gray = _encoded(".jpg", np.full((8, 8), 128, np.uint8), cv2.IMWRITE_JPEG_OPTIMIZE, 0)
    frame, scan = gray.index(b"\xff\xc0"), gray.index(b"\xff\xda")
    after = frame + 2 + int.from_bytes(gray[frame + 2 : frame + 4], "big")
    components = b"".join(bytes([number, 0x11, 0]) for number in range(1, 5))
    frames = b"\xff\xc0" + struct.pack(">HBHHB", 20, 8, 8, 8, 4) + components
    chosen = b"".join(bytes([number, 0]) for number in range(1, 5))
    scans = b"\xff\xda" + struct.pack(">HB", 14, 4) + chosen + bytes([0, 63, 0])
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 2])
    # A block of medium gray is a difference of 0 and the block's end: 00 and 1010, four times.
    coded = int("001010" * 4, 2).to_bytes(3, "big")
    return (
        gray[:2] + adobe + gray[2:frame] + frames + gray[after:scan] + scans + coded + b"\xff\xd9"
    )


def _header(width: int, height: int, bits: int, colour: int, interlaced: int = 0) -> bytes:
    return png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    )


def _palette_png() -> bytes:
    rows = b"".join(b"\0" + bytes([0b00011011, 0b11100100]) for _ in range(6))
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    parts = png_chunk(b"PLTE", colours) + png_chunk(b"tRNS", bytes([0, 128, 255]))
    return (
        PNG + _header(8, 6, 2, 3) + parts + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )  # fmt: skip


def _interlaced_png() -> bytes:
    """8 × 8 gray pixels in the seven passes of Adam7."""
    passes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))
    rows = b"".join((b"\0" + bytes(range(9, 9 + width))) * height for width, height in passes)
    return (
        PNG + _header(8, 8, 8, 0, 1) + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )  # fmt: skip


def _animated_png() -> bytes:
    """Two frames of gray."""
    rows = [zlib.compress((b"\0" + bytes([level] * 6)) * 5) for level in (60, 200)]
    controls = [
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 6, 5, 0, 0, 1, 10, 0, 0))
        for number in (0, 1)
    ]
    return b"".join(
        [
            PNG, _header(6, 5, 8, 0), png_chunk(b"acTL", struct.pack(">II", 2, 0)), controls[0],
            png_chunk(b"IDAT", rows[0]), controls[1],
            png_chunk(b"fdAT", struct.pack(">I", 2) + rows[1]), png_chunk(b"IEND", b""),
        ]
    )  # fmt: skip


def _run_length_bmp() -> bytes:
    """4 × 2 pixels of 8 bits, in runs."""
    runs = bytes([4, 1, 0, 0, 2, 0, 2, 1, 0, 1])
    colours = bytes(range(16)) * 2 + bytes(4 * 248)
    start = 14 + 40 + len(colours)
    head = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + colours + runs


def _gif(frames: int) -> bytes:
    """Frames of 4 × 4 pixels in 4 colours, coded without ever growing a code."""
    colours = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255])
    found = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x91, 0, 0) + colours
    found += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 3) + b"\0"
    for frame in range(frames):
        found += b"\x21\xf9\x04" + struct.pack("<BHB", 4, 5 + frame, 0) + b"\0"
        found += b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x02"
        codes = [4]
        for pixel in range(16):
            codes += [(pixel + frame) % 4, *([4] if pixel % 2 else [])]  # cleared before they grow
        bits = "".join(f"{code:03b}"[::-1] for code in [*codes, 5])
        bits += "0" * (-len(bits) % 8)
        coded = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
        found += bytes([len(coded)]) + coded + b"\0"
    return found + b"\x3b"


def _animated_webp(still: bytes) -> bytes:
    """Two frames: the picture, and the same in a corner, mixed in and wiped out."""
    parts = still[12:]
    if parts.startswith(b"VP8X"):
        parts = parts[18:]  # as large as 18 bytes: its name, its length and 10 bytes of it
    width, height = 12, 10
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frames = b"".join(
        riff_chunk(
            b"ANMF", bytes(6) + size + duration.to_bytes(3, "little") + bytes([flags]) + parts
        )
        for duration, flags in ((40, 0), (0, 3), (100, 1))
    )
    return webp_file(
        webp_header(width, height, 0x12) + riff_chunk(b"ANIM", bytes(4) + b"\2\0") + frames
    )


def _landmark_card() -> ModelCard:
    return ModelCard(
        name="a",
        architecture="drawn",
        scheme="ibug68",
        input=InputSpec(16, 1),
        crop=CropRule(1.25, (0.0, 0.1)),
        precision="fp32",
        opset=18,
        training=Training("r", "d", "s", 3, 0, "0"),
        licence="Apache-2.0",
    )


def _full_card() -> ModelCard:
    table = asdict(_landmark_card())
    table |= {
        "output": asdict(OutputSpec(score=True)),
        "accuracy": {"official": asdict(LandmarkAccuracy(5.5, 1.0, 770, 0.003))},
        "box_rules": {"haar": asdict(BoxRule(0.7, (0.0, 0.1)))},
        "parity": asdict(Parity(0.001, 0.0001, None, "64", 0.1)),
        "exporter": {"fkd": "1"},
    }
    return ModelCard.from_json(json.dumps(table), "full")


def _own_scheme(card: ModelCard) -> bytes:
    scheme = {
        "name": "three",
        "count": 3,
        "groups": {"eyes": [0, 1], "nose": [2]},
        "mirror_pairs": [[0, 1]],
        "outer_eye_corners": [0, 1],
        "closed": ["eyes"],
    }
    return json.dumps(asdict(card) | {"scheme": scheme}).encode()


def _detector_card() -> DetectorCard:
    return DetectorCard(
        name="d",
        architecture="drawn",
        threshold=0.5,
        floor=0.1,
        overlap=0.45,
        smallest=12.0,
        precision="fp32",
        opset=18,
        training=Training("r", "d", "s", 3, 0, "0"),
        licence="Apache-2.0",
        box_rule=BoxRule(0.9, (0.0, 0.1)),
        accuracy={"drawn": DetectorAccuracy(90.0, 0.1, 0.5, 88.0, 100)},
        parity=DetectorParity(0.01, 0.001, 9, "drawn"),
    )
