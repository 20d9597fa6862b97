"""Array types of images and points, and conversions between BGR and gray."""

from __future__ import annotations

from array import array
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import InvalidImageError

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
Pixels = NDArray[np.uint8]


def check_image(image: object, gray: bool = False) -> Pixels:
    """Returns an array that is a BGR frame or, with `gray`, a gray one (H, W); raises
    InvalidImageError for anything else."""
    if not isinstance(image, np.ndarray):
        fix = "read files with fkd_infer.read_image, which says why one cannot be read"
        raise InvalidImageError(type(image).__name__, fix)
    shaped = (image.ndim == 3 and image.shape[2] == 3) or (gray and image.ndim == 2)
    if image.dtype != np.uint8 or not shaped or image.size == 0:
        raise InvalidImageError(f"{image.dtype} of shape {image.shape}", _conversion(image))
    return image


def _conversion(image: NDArray[Any]) -> str | None:
    """The expression that makes an array a frame; None if there is no usual one."""
    if image.size == 0:
        return None
    if image.dtype == np.uint16:
        return "convert it with: (image >> 8).astype(np.uint8), or >> 4 for 12 bits"
    if image.dtype.kind in "bf" and 0 <= image.min() <= image.max() <= 1:
        return "convert it with: (image * 255).round().astype(np.uint8)"
    if image.dtype != np.uint8:
        return "convert it with: image.clip(0, 255).astype(np.uint8)"
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return "convert it with: cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"
    if image.ndim == 3 and image.shape[2] == 4:
        return "convert it with: cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)"
    if image.ndim == 3 and image.shape[0] == 3:
        return "convert it with: image.transpose(1, 2, 0)"
    return "pass several images to many(), one by one" if image.ndim == 4 else None


def float32s(*numbers: float) -> list[float]:
    """Rounds numbers as arrays of float32 do; for a few numbers, this is quicker than an array."""
    return array("f", numbers).tolist()


def gray_plane(image: Pixels) -> Pixels:
    """The luma (H, W) of a BGR image; a gray plane is returned as it is."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def bgr_image(image: Pixels) -> Pixels:
    """A gray plane (H, W) as a BGR image (H, W, 3); a BGR image is returned as it is."""
    if image.ndim == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
