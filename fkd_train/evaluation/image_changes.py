"""Changes of images under which detectors are compared: tilted, darkened, gray, of every size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image, gray_plane
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import similarity, transform
from fkd_train.data.faces import Faces
from fkd_train.data.mosaic import placement, warp
from fkd_train.ground_truth import GroundTruth

_PICTURE = (1280, 960)
Change = Callable[[Pixels, Floats, Floats, np.random.Generator], tuple[Pixels, GroundTruth]]
"""Maps an image (H, W, 3), its points (68, 2), the boxes (k, 4) of other faces, and a generator to
the changed image and its true faces."""


def changed_image(
    change: Change, faces: Faces, row: int, others: Mapping[str, Floats]
) -> tuple[Pixels, GroundTruth]:
    """Changes one image; the generator is seeded by its name, so that results are repeatable."""
    name = faces.names[row]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    other_boxes = others.get(name, np.empty((0, 4), np.float32))
    return change(faces.images[row], faces.points[row], other_boxes, rng)


def _unchanged(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    return image, GroundTruth.of(points[None], others)


def _tilted(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator, degrees: float
) -> tuple[Pixels, GroundTruth]:
    """Rotates the image about its centre, to a random side, repeating its border pixels."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    rotation = similarity((0, 0), 1, 1, float(np.radians(rng.choice([-degrees, degrees]))))[:, :2]
    matrix = np.column_stack([rotation, centre - rotation @ centre])
    rotated = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(rotated, np.uint8), _moved(points, others, matrix)


def _darkened(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator, factor: float
) -> tuple[Pixels, GroundTruth]:
    return np.rint(factor * image).astype(np.uint8), GroundTruth.of(points[None], others)


def _gray(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    return bgr_image(gray_plane(image)), GroundTruth.of(points[None], others)


def placed(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator, size: float
) -> tuple[Pixels, GroundTruth]:
    """A picture of 1280 × 960 pixels that shows the face somewhere, `size` pixels large.

    A face that has no room is centred, and the image's border pixels are repeated around it.
    """
    box = points_box(points)
    scale = size / float((box[2:] - box[:2]).max())
    room = (np.array(_PICTURE) - size).clip(0) / 2
    place = np.array(_PICTURE) / 2 + rng.uniform(-room, room)
    matrix = placement((box[:2] + box[2:]) / 2, scale, 0.0, place, mirror=False)
    picture = np.empty((_PICTURE[1], _PICTURE[0], 3), np.uint8)
    warp(image, matrix, picture, cv2.BORDER_REPLICATE)
    return picture, _moved(points, others, matrix)


def _moved(points: Floats, others: Floats, matrix: Matrix) -> GroundTruth:
    """The true faces of an image that was moved by a matrix (2, 3)."""
    corners = others[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    other_boxes = points_box(transform(corners, matrix)) if len(others) else others
    return GroundTruth.of(transform(points, matrix)[None], other_boxes)


CHANGES: dict[str, Change] = {
    "images": _unchanged,
    "images tilted by 15°": partial(_tilted, degrees=15),
    "images tilted by 30°": partial(_tilted, degrees=30),
    "images tilted by 45°": partial(_tilted, degrees=45),
    "images with half the light": partial(_darkened, factor=1 / 2),
    "images with a quarter of the light": partial(_darkened, factor=1 / 4),
    "images with an eighth of the light": partial(_darkened, factor=1 / 8),
    "images in gray": _gray,
}
