"""From a face's box to the network's input and back: the only preprocessing in the repository.

Coordinates are (x, y) with pixel centres at whole numbers, as in OpenCV. A crop is a square of
`side` frame pixels around `centre`, sampled to size × size pixels, so a frame point p lands on

    u = size / side · R(-roll) · (p - centre) + (size - 1) / 2

with R(roll) the rotation by the roll angle, clockwise as seen on screen. All matrices are
(2, 3), frame → crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fkd_infer.errors import InvalidBoxError, InvalidImageError
from fkd_infer.names import Border

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_FARTHEST, _SHORTEST = 1e9, 1e-6
"""Pixels of a box's coordinates at most, and of its sides at least, so that nothing overflows."""
_REACH = 2**24
"""Pixels from the frame's corner, beyond which nothing is drawn."""
_BORDER_MODES = {"replicate": cv2.BORDER_REPLICATE, "black": cv2.BORDER_CONSTANT}


@dataclass(frozen=True, slots=True)
class CropRule:
    """Where the crop square lies relative to the tight box of a face's points.

    Its side is `scale` times the box's longer side; its centre is the box's centre moved by
    `shift`, in units of that longer side. `border` fills what lies outside the frame. Raises
    ValueError for a scale that is not above 0, and for numbers that are not finite.
    """

    scale: float
    shift: tuple[float, float] = (0.0, 0.0)
    border: Border = "replicate"

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


@dataclass(frozen=True, slots=True)
class BoxRule:
    """Calibration of a detector: from its box to the tight box of the points (a square).

    The same arithmetic and the same errors as in CropRule; every detector draws its boxes
    differently.
    """

    scale: float
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _check_rule(self.scale, self.shift)


def _check_rule(scale: float, shift: tuple[float, float]) -> None:
    if not 0 < scale < math.inf:
        raise ValueError(f"scale is {scale}, and has to be above 0 and finite")
    if not all(map(math.isfinite, shift)):
        raise ValueError(f"shift is {shift}, and has to be finite")


POINTS_BOX = BoxRule(1.0)
"""The rule for boxes that are tight boxes of the points already."""


def as_boxes(boxes: ArrayLike) -> Floats:
    """Boxes as float32 (n, 4), xyxy; raises InvalidBoxError for anything else."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidBoxError("got what is no table of numbers") from error
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise InvalidBoxError(f"got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidBoxError("got a value that is not finite")
    if (np.abs(array) > _FARTHEST).any():
        raise InvalidBoxError(f"got a value beyond {_FARTHEST:g} pixels")
    empty = (array[:, 2:] - array[:, :2] < _SHORTEST).any(axis=1)
    if empty.any():
        raise InvalidBoxError(f"got {array[empty][0].tolist()}, which has no area")
    return array


def points_box(points: ArrayLike) -> Floats:
    """Tight boxes (..., 4), xyxy, of points (..., n, 2)."""
    array = np.asarray(points, dtype=np.float32)
    return np.concatenate([array.min(axis=-2), array.max(axis=-2)], axis=-1)


def within_reach(points: Floats) -> bool:
    """Whether points (n, 2) are finite and so near that drawing computes with them exactly."""
    return bool((np.abs(points) < _REACH).all())


def apply_rule(boxes: Floats, rule: BoxRule | CropRule) -> tuple[Floats, Floats]:
    """Centres (n, 2) and sides (n,) of the squares that a rule makes of boxes (n, 4)."""
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + longer[:, None] * np.array(rule.shift, np.float32)
    return centres, longer * np.float32(rule.scale)


def square_boxes(centres: Floats, sides: Floats) -> Floats:
    """Square boxes (n, 4), xyxy, from centres (n, 2) and sides (n,)."""
    half = sides[:, None] / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def similarity(
    centre: ArrayLike, side: float, size: int, roll: float = 0.0, mirror: bool = False
) -> Matrix:
    """The matrix (2, 3) of a crop; `roll` in radians, `mirror` swaps left and right in the crop."""
    scale = size / side
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    linear = np.array([[cos, sin], [-sin, cos]])
    if mirror:
        linear[0] *= -1
    offset = (size - 1) / 2 - linear @ np.asarray(centre, dtype=np.float64)
    return np.column_stack([linear, offset])


def crop_matrices(boxes: Floats, rule: CropRule, size: int) -> Matrix:
    """Upright crops (n, 2, 3) for tight boxes of points (n, 4)."""
    centres, sides = apply_rule(boxes, rule)
    found = [similarity(c, float(s), size) for c, s in zip(centres, sides, strict=True)]
    return np.array(found).reshape(-1, 2, 3)


def transform(points: ArrayLike, matrices: Matrix) -> Floats:
    """Points (..., n, 2) through matrices (..., 2, 3)."""
    array = np.asarray(points, dtype=np.float64)
    moved = array @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]
    return moved.astype(np.float32)


def invert(matrices: Matrix) -> Matrix:
    """Crop → frame matrices (..., 2, 3) of frame → crop matrices (..., 2, 3)."""
    linear = np.linalg.inv(matrices[..., :2])
    offset = -(linear @ matrices[..., 2:])
    return np.concatenate([linear, offset], axis=-1)


def check_image(image: object, gray: bool = False) -> Pixels:
    """The array itself where it is a BGR frame, or where `gray` allows it a gray one (H, W); raises
    InvalidImageError otherwise."""
    if not isinstance(image, np.ndarray):
        raise InvalidImageError(f"{type(image).__name__} (did the image load?)")
    shaped = (image.ndim == 3 and image.shape[2] == 3) or (gray and image.ndim == 2)
    if image.dtype != np.uint8 or not shaped or image.size == 0:
        raise InvalidImageError(f"{image.dtype} of shape {image.shape}")
    return image


def gray_plane(image: Pixels) -> Pixels:
    """The luma (H, W) of a BGR image; a gray plane as it is."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def bgr_image(image: Pixels) -> Pixels:
    """A gray plane (H, W) as a BGR image (H, W, 3) without colour; a BGR image as it is."""
    if image.ndim == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def _region(image: Pixels, matrix: Matrix, size: int) -> tuple[Pixels, int, int]:
    """The part of the image that the crop can touch, with its top left corner."""
    edge = size - 0.5
    corners = transform([[-0.5, -0.5], [edge, -0.5], [edge, edge], [-0.5, edge]], invert(matrix))
    height, width = image.shape[:2]
    limit = np.array([width, height])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, low + 1, limit)
    return image[low[1] : high[1], low[0] : high[0]], int(low[0]), int(low[1])


def _shrunk(region: Pixels, matrix: Matrix) -> tuple[Pixels, Matrix]:
    """Averages a region that the crop would undersample, so that fine texture does not alias."""
    factor = int(1 / np.linalg.norm(matrix[:, 0]))
    if factor < 2:
        return region, matrix
    averaged, to_region = reduced(region, factor)
    return averaged, _compose(matrix, to_region)


def reduced(image: Pixels, factor: float) -> tuple[Pixels, Matrix]:
    """An image averaged to a `factor`-th of its sides, and the matrix (2, 3) back to it."""
    height, width = image.shape[:2]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    ratio = np.array([width / small[0], height / small[1]])
    to_image = np.column_stack([np.diag(ratio), (ratio - 1) / 2])
    averaged = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, dtype=np.uint8), to_image


def _compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The matrix that applies `inner` and then `outer`."""
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([outer[:, :2] @ inner[:, :2], offset])


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
    """Cuts network inputs for matrices (n, 2, 3) into the rows of a batch (n, size, size, c)."""
    _, size, _, channels = batch.shape
    mode = _BORDER_MODES[border]
    for row, matrix in zip(batch, matrices, strict=True):
        region, left, top = _region(image, matrix, size)
        if channels == 1:
            region = gray_plane(region)
        to_frame = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
        region, to_crop = _shrunk(region, _compose(matrix, to_frame))
        # Straight into the row: a channel of its own is a plane to OpenCV.
        cv2.warpAffine(region, to_crop, (size, size), row, cv2.INTER_LINEAR, mode)
