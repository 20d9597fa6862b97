"""Crops: from a face's box to the network's input and back; the only preprocessing there is.

Coordinates are (x, y) with pixel centres at integers, as in OpenCV. A crop is a square of
`side` frame pixels around `centre`, sampled to size × size pixels, so a frame point p lands on

    u = size / side · R(-roll) · (p - centre) + (size - 1) / 2

with R(roll) the rotation by the roll angle, clockwise as seen on screen. All matrices are
(2, 3), frame → crop.
"""

from __future__ import annotations

import cv2
import numpy as np

from fkd_infer.choices import Border
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, gray_plane
from fkd_infer.geometry.boxes import apply_rule
from fkd_infer.geometry.rules import CropRule
from fkd_infer.geometry.transforms import compose, invert, similarity, transform

_BORDER_MODES = {"replicate": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


def crop_matrices(boxes: Floats, rule: CropRule, size: int, rolls: Floats | None = None) -> Matrix:
    """Crops (n, 2, 3) for tight boxes of points (n, 4); `rolls` as in apply_rule."""
    centres, sides = apply_rule(boxes, rule, rolls)
    angles = np.zeros(len(boxes)) if rolls is None else np.radians(rolls)
    squares = zip(centres, sides, angles, strict=True)
    matrices = [similarity(c, float(s), size, float(angle)) for c, s, angle in squares]
    return np.array(matrices).reshape(-1, 2, 3)


def _region(image: Pixels, matrix: Matrix, size: int) -> tuple[Pixels, int, int]:
    """The part of the image that the crop samples, and its top left corner."""
    edge = size - 0.5
    corners = transform([[-0.5, -0.5], [edge, -0.5], [edge, edge], [-0.5, edge]], invert(matrix))
    height, width = image.shape[:2]
    limit = np.array([width, height])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, low + 1, limit)
    return image[low[1] : high[1], low[0] : high[0]], int(low[0]), int(low[1])


def _downscale_region(region: Pixels, matrix: Matrix) -> tuple[Pixels, Matrix]:
    """Downscales a region that the crop would undersample, so that fine texture does not alias."""
    factor = int(1 / np.linalg.norm(matrix[:, 0]))
    if factor < 2:
        return region, matrix
    averaged, to_region = downscale(region, factor)
    return averaged, compose(matrix, to_region)


def downscale(image: Pixels, factor: float) -> tuple[Pixels, Matrix]:
    """An image averaged to 1 / `factor` of its size, and the matrix (2, 3) back to the original."""
    height, width = image.shape[:2]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    ratio = np.array([width / small[0], height / small[1]])
    to_image = np.column_stack([np.diag(ratio), (ratio - 1) / 2])
    averaged = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, dtype=np.uint8), to_image


def crop(
    image: Pixels, matrix: Matrix, size: int, channels: int, border: Border = "replicate"
) -> Pixels:
    """One network input (size, size, channels), cut from a BGR image or a gray plane (H, W)."""
    batch = np.empty((1, size, size, channels), dtype=np.uint8)
    fill_batch(batch, image, matrix[None], border)
    return batch.reshape(size, size, channels)


def crop_batch(
    image: Pixels, matrices: Matrix, size: int, channels: int, border: Border = "replicate"
) -> Pixels:
    """Network inputs (n, size, size, channels) for matrices (n, 2, 3)."""
    batch = np.empty((len(matrices), size, size, channels), dtype=np.uint8)
    fill_batch(batch, image, matrices, border)
    return batch


def fill_batch(
    batch: Pixels, image: Pixels, matrices: Matrix, border: Border = "replicate"
) -> None:
    """Writes the crops of matrices (n, 2, 3) into a batch (n, size, size, c)."""
    _, size, _, channels = batch.shape
    mode = _BORDER_MODES[border]
    for row, matrix in zip(batch, matrices, strict=True):
        region, left, top = _region(image, matrix, size)
        if channels == 1:
            region = gray_plane(region)
        to_frame = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
        region, to_crop = _downscale_region(region, compose(matrix, to_frame))
        # Writes straight into the row; OpenCV accepts a single channel as a plane.
        cv2.warpAffine(region, to_crop, (size, size), row, cv2.INTER_LINEAR, mode)
