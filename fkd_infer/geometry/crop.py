"""Crops: from a face's box to the network's input and back; the only preprocessing there is.

Coordinates are (x, y) with pixel centres at integers, as in OpenCV. A crop is a square of
`side` frame pixels around `centre`, sampled to size × size pixels, so a frame point p lands on

    u = size / side · R(-roll) · (p - centre) + (size - 1) / 2

with R(roll) the rotation by the roll angle, clockwise as seen on screen. All matrices are
(2, 3), frame → crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from fkd_infer.choices import Border
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image, float32s, gray_plane
from fkd_infer.geometry.boxes import derived_squares
from fkd_infer.geometry.rules import CropRule
from fkd_infer.geometry.transforms import inverse, similarity_rows

_BORDER_MODES = {"replicate": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


def crop_matrices(boxes: Floats, rule: CropRule, size: int, rolls: Floats | None = None) -> Matrix:
    """Crops (n, 2, 3) for tight boxes of points (n, 4); `rolls` as in derived_squares."""
    squares = derived_squares(boxes, rule, rolls)
    angles = [0.0] * len(squares) if rolls is None else np.radians(rolls).tolist()
    turned = zip(squares, angles, strict=True)
    rows = [similarity_rows(*square, size, angle) for square, angle in turned]
    return np.array(rows, np.float64).reshape(-1, 2, 3)


def downscale(image: Pixels, factor: float) -> tuple[Pixels, Matrix]:
    """An image averaged to 1 / `factor` of its size, and the matrix (2, 3) back to the original."""
    averaged = _averaged(image, factor)
    height, width = image.shape[:2]
    ratio = np.array([width / averaged.shape[1], height / averaged.shape[0]])
    return averaged, np.column_stack([np.diag(ratio), (ratio - 1) / 2])


def _averaged(image: Pixels, factor: float) -> Pixels:
    height, width = image.shape[:2]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    return np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)


def crop(
    image: Pixels, matrix: Matrix, size: int, channels: int, border: Border = "replicate"
) -> Pixels:
    """One network input (size, size, channels), cut from a BGR image or a gray plane (H, W)."""
    batch = np.empty((1, size, size, channels), dtype=np.uint8)
    fill_batch(batch, [image], matrix[None], border)
    return batch.reshape(size, size, channels)


def crop_batch(
    image: Pixels, matrices: Matrix, size: int, channels: int, border: Border = "replicate"
) -> Pixels:
    """Network inputs (n, size, size, channels) for matrices (n, 2, 3)."""
    batch = np.empty((len(matrices), size, size, channels), dtype=np.uint8)
    fill_batch(batch, [image] * len(matrices), matrices, border)
    return batch


def fill_batch(
    batch: Pixels, images: Sequence[Pixels], matrices: Matrix, border: Border = "replicate"
) -> None:
    """Writes the crops of matrices (n, 2, 3), each of its own image, into a batch (n, size, size,
    c)."""
    border_mode = _BORDER_MODES[border]
    for pixels, image, rows in zip(batch, images, matrices.tolist(), strict=True):
        _fill(pixels, image, rows, border_mode)


def _fill(pixels: Pixels, image: Pixels, rows: list[list[float]], border_mode: int) -> None:
    """Writes the crop of a matrix with these rows into pixels (size, size, c)."""
    size, _, channels = pixels.shape
    (a, b, x), (c, d, y) = rows
    factor = max(1, int(1 / math.hypot(a, c)))
    left, top, right, bottom = _region(image, rows, size, factor)
    region = image[top:bottom, left:right]
    region = gray_plane(region) if channels == 1 else bgr_image(region)
    if factor > 1:  # the crop would undersample the region, and its fine texture would alias
        region = _averaged(region, factor)
    # The size of the region's pixels in the image, and how far that moves the centre of the first.
    width, height = (right - left) / region.shape[1], (bottom - top) / region.shape[0]
    move_x, move_y = (width - 1) / 2, (height - 1) / 2
    x, y = a * left + b * top + x, c * left + d * top + y
    to_crop = np.array(
        [
            [a * width, b * height, a * move_x + b * move_y + x],
            [c * width, d * height, c * move_x + d * move_y + y],
        ]
    )
    # Writes straight into the row; OpenCV accepts a single channel as a plane.
    cv2.warpAffine(region, to_crop, (size, size), pixels, cv2.INTER_LINEAR, border_mode)


def _region(
    image: Pixels, rows: list[list[float]], size: int, factor: int
) -> tuple[int, int, int, int]:
    """The part of the image that the crop samples: left, top, right and bottom.

    Where the image has room, its sides are multiples of `factor`: OpenCV averages whole blocks 4 to
    35 times as fast.
    """
    a, b, x, c, d, y = inverse(*rows[0], *rows[1])
    middle, half = (size - 1) / 2, size / 2
    centre_x, centre_y = (a + b) * middle + x, (c + d) * middle + y
    reach_x, reach_y = (abs(a) + abs(b)) * half, (abs(c) + abs(d)) * half
    # float32 rounds off the noise of edges that lie between two pixels.
    first_x, last_x = float32s(centre_x - reach_x, centre_x + reach_x)
    first_y, last_y = float32s(centre_y - reach_y, centre_y + reach_y)
    height, width = image.shape[:2]
    left, right = _span(first_x, last_x, width, factor)
    top, bottom = _span(first_y, last_y, height, factor)
    return left, top, right, bottom


def _span(first: float, last: float, limit: int, factor: int) -> tuple[int, int]:
    """The pixels of an image's axis that interpolation from `first` to `last` needs: start, end."""
    start = min(max(math.floor(first) - 1, 0), limit - 1)
    end = min(max(math.ceil(last) + 2, start + 1), limit)
    length = math.ceil((end - start) / factor) * factor
    end = min(start + length, limit)
    return max(end - length, 0), end
