"""Generates a folder of pictures for fkd-infer, with a fixed seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from skimage import data as pictures

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.file import read_image
from fkd_infer.media.images.writing import write_image
from fkd_infer.system.files.atomic import output_errors
from fkd_train.errors import DatasetError

SHORTEST, LONGEST = 200, 4000
"""Range of the longer side, px; 4000 by 3000 is 12 megapixels."""
_SHAPES = ((4, 3), (3, 2), (16, 9), (1, 1))
_LARGEST_PNG = 2000
_FROM_DATA = 200
_MANIFEST = "made.json"
_VERSION = 1


def make_photo_set(folder: Path, count: int, data: Path | None) -> Path:
    """Generates pictures of one to nine faces, of a portrait and the data set's test images.

    The logarithm of the longer side is uniform; a quarter of those up to 2000 px are PNG, the
    others JPEG. A folder that was generated with the same parameters is reused. Returns the
    folder of the pictures.
    """
    parameters = {"version": _VERSION, "count": count, "data": data is not None}
    manifest, photos = folder / _MANIFEST, folder / "photos"
    if manifest.is_file() and json.loads(manifest.read_text()) == parameters:
        return photos
    rng = np.random.default_rng(0)
    faces = _faces(data)
    for number in range(count):
        size = _size(rng)
        png = max(size) <= _LARGEST_PNG and rng.random() < 0.25
        name = f"{number:05}.{'png' if png else 'jpg'}"
        write_image(photos / name, _picture(faces, size, rng))
    # Written last, so that an incomplete folder is generated again.
    with output_errors(manifest):
        manifest.write_text(json.dumps(parameters))
    return photos


def _faces(data: Path | None) -> list[Pixels]:
    """Pictures of one face each; one in five is the portrait."""
    portrait = np.ascontiguousarray(pictures.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    if data is None:
        return [portrait]
    files = sorted((data / "test").glob("*.jpg"))
    if not files:
        raise DatasetError(
            data, ["there are no pictures in test/"], "--data names the folder that has test/"
        )
    images = [read_image(file) for file in files[:: max(1, len(files) // _FROM_DATA)]]
    return [*images, *([portrait] * (len(images) // 4))]


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Draws a width and a height, in landscape or portrait format."""
    longer = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    across, down = _SHAPES[rng.integers(len(_SHAPES))]
    sides = round(longer), round(longer * down / across)
    return sides if rng.random() < 0.7 else sides[::-1]


def _picture(faces: Sequence[Pixels], size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A grid of faces: one, or in large pictures four or nine."""
    width, height = size
    rows = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])) if min(size) > 600 else 1
    picture = np.empty((height, width, 3), np.uint8)
    columns = np.linspace(0, width, rows + 1).astype(int).tolist()
    lines = np.linspace(0, height, rows + 1).astype(int).tolist()
    for left, right in pairwise(columns):
        for top, bottom in pairwise(lines):
            face = faces[int(rng.integers(len(faces)))]
            picture[top:bottom, left:right] = _cover(face, right - left, bottom - top)
    return picture


def _cover(image: Pixels, width: int, height: int) -> Pixels:
    """The centre of an image, scaled to fill a size."""
    factor = max(width / image.shape[1], height / image.shape[0])
    shape = max(width, round(image.shape[1] * factor)), max(height, round(image.shape[0] * factor))
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    large = np.asarray(cv2.resize(image, shape, interpolation=kind), np.uint8)
    left, top = (shape[0] - width) // 2, (shape[1] - height) // 2
    return large[top : top + height, left : left + width]
