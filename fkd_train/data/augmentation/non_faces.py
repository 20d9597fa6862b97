"""Images that resemble faces or backgrounds but show no face, as negative samples."""

from __future__ import annotations

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels
from fkd_train.data.augmentation.photometric import Rng, with_shape_of


def scrambled(pixels: Pixels, rng: Rng) -> Pixels:
    """Shuffles and turns the tiles of a square image: parts of a face that form no face."""
    count = int(rng.integers(2, 5))
    edge = pixels.shape[0] // count
    shuffled = pixels.copy()
    for to, source in enumerate(rng.permutation(count * count).tolist()):
        (y, x), (v, u) = divmod(to, count), divmod(source, count)
        tile = pixels[v * edge :][:edge, u * edge :][:, :edge]
        shuffled[y * edge :][:edge, x * edge :][:, :edge] = np.rot90(tile, int(rng.integers(4)))
    return shuffled


def texture(shape: tuple[int, int, int], rng: Rng) -> Pixels:
    """Smooth noise with lines and discs, as a square image (S, S, C)."""
    size = shape[0]
    cells = int(rng.choice([1, 2, 4, 8, 16, 32]))
    coarse = rng.integers(0, 256, (cells + 1, cells + 1, shape[2]), dtype=np.uint8)
    enlarged = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    pixels = with_shape_of(np.empty(shape, np.uint8), enlarged)
    for _ in range(rng.integers(0, 12)):
        ink = rng.integers(0, 256, shape[2]).tolist()
        width = int(rng.integers(1, 6))
        (x, y), (u, v) = rng.integers(0, size, (2, 2)).tolist()
        if rng.random() < 0.5:
            cv2.line(pixels, (x, y), (u, v), ink, width, cv2.LINE_AA)
        else:
            radius = int(rng.integers(2, size // 3))
            thickness = width if rng.random() < 0.6 else -1
            cv2.circle(pixels, (x, y), radius, ink, thickness, cv2.LINE_AA)
    return pixels
