"""Crops and images with faces, made the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import transform
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.synthetic import draw_face

_FACE_PX = 200
_HEAD = (256, 451)
"""Height and width of the portrait's part that shows the head, 9:16."""


def drawn_crops(card: ModelCard, count: int) -> tuple[Pixels, Floats]:
    """Crops (count, size, size, channels) of drawn faces, framed as the card says, and their 68
    points (count, 68, 2) in crop pixels."""
    rng = np.random.default_rng(0)
    sampler = CropSampler.of_card(card)
    crops, points = [], []
    for _ in range(count):
        image, drawn = draw_face(_FACE_PX, rng)
        matrix = sampler.matrix(image, drawn)
        crops.append(sampler.cut(image, matrix))
        points.append(transform(drawn, matrix))
    return np.stack(crops), np.stack(points)


def portraits(height: int, side: int) -> Pixels:
    """An image of 16:9 with `side` × `side` faces: NASA's portrait of Eileen Collins, tiled."""
    from skimage import data

    portrait = data.astronaut()[: _HEAD[0], : _HEAD[1], ::-1]  # type: ignore[no-untyped-call]
    tile = height * 16 // 9 // side, height // side
    head = np.asarray(cv2.resize(portrait, tile, interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.tile(head, (side, side, 1))


def resized(image: Pixels, width: int, height: int) -> Pixels:
    """An image at another size."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
