"""Seeds: tables, filter packs and networks."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import numpy as np

from fkd_infer.choices import Blend
from fkd_infer.filters.warp_table import WARPS
from fuzz.seeds.encoding import draw_picture, encode

_MODELS = Path(__file__).parents[2] / "tests" / "data" / "models"
ONNX_TOKENS = (
    b"fkd", b"image", b"points", b"score", b"batch", b"ai.onnx", b"ai.onnx.ml", b"If", b"Loop",
    b"Scan", b"location", b"offset", b"length", b"../a", b"/a", b"a", b"C:\\a",
    b"\xff" * 9 + b"\x01",
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

NPZ_TOKENS = (
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"images.npy", b"points.npy",
    b"visible.npy", b"names.npy", b"'|u1'", b"'<f4'", b"'|O'", b"'<U1'", b"'<f8'", b"(2, 2, 2)",
    b"(2, 9, 9)", b"(9223372036854775807,)", b"True", b"\xff\xff\xff\xff",
)  # fmt: skip


def boxes() -> dict[str, bytes]:
    """--boxes files."""
    header = "source,frame,x0,y0,x1,y1"
    return {
        "plain": f"{header}\na.jpg,0,1,2,3,4\nb/c.mp4,7,0,0,9.5,9\n".encode(),
        "quoted": f'\ufeff{header}\r\n"a ""b"".jpg",0,-1e3,2,3,4\r\n"x\ny",1,0,0,1,1\r\n'.encode(),
        "empty": f"{header}\n".encode(),
    }


def datasets() -> dict[str, bytes]:
    """The CSV of a data set with two points per face."""
    return {
        "plain": b",0,1,2,3\na.png,1.5,2,7,8\na.png,3,4,5,6\n",
        "quoted": b'"",0,1,2,3\r\n"a.png","1","2","3","4"\r\n',
        "bad": b",0,1,2,3\nb.png,1,2,3,4\na.png,nan,,1e9,x\n",
    }


def wflw_lists() -> dict[str, bytes]:
    """Lists of WFLW with one face."""
    numbers = " ".join(f"{(7 * number) % 13}.5" for number in range(196))
    return {
        "plain": f"{numbers} 0 0 12 12 0 1 0 0 1 0 a.png\n".encode(),
        "short": b"1 2 3 a.png\n",
    }


def coco_documents() -> dict[str, bytes]:
    """COCO documents with two points per face, some of which are not labelled."""
    picture = {"id": 1, "file_name": "a.png"}
    faces = [
        {"id": number, "image_id": 1, field: [1.5, 2, 2, 7, 8, number % 2 + 1]}
        for number, field in enumerate(("keypoints", "face_kpts"))
    ]
    gap = {"image_id": 1, "keypoints": [1, 2, 0, 7, 8, 0], "iscrowd": 0}
    return {
        "plain": json.dumps({"images": [picture], "annotations": faces}).encode(),
        "gaps": json.dumps({"images": [picture], "annotations": [*faces, gap]}).encode(),
    }


def arrays() -> dict[str, bytes]:
    """NPZ files with two points per face, stored and compressed."""
    points = np.array([[[1, 2], [7, 8]], [[2, 2], [5, 6]]], np.float32)
    planes, colours = np.zeros((2, 9, 9), np.uint8), np.zeros((2, 9, 9, 3), np.uint8)
    plain, full = BytesIO(), BytesIO()
    np.savez(plain, images=planes, points=points)
    names = np.array(["a", "b"])
    np.savez_compressed(full, images=colours, points=points, visible=points[..., 0], names=names)
    return {"plain": plain.getvalue(), "full": full.getvalue()}


def models() -> dict[str, bytes]:
    """The tiny networks that tests/make_tiny_models.py writes."""
    return {path.stem: path.read_bytes() for path in sorted(_MODELS.glob("*.onnx"))}


def packs() -> dict[str, bytes]:
    """Filter packs for every warp and blend, each followed by a zero byte and the picture a.png."""
    picture = draw_picture(14, 12)
    image = np.dstack([picture, np.maximum(picture[..., 0], 60)])
    png = encode(".png", image)
    seeds = {}
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
        seeds[warp] = json.dumps(table).encode() + b"\0" + png
    return seeds
