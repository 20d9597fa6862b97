"""Array types of images and points, and conversions between BGR and gray."""

from __future__ import annotations

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
        raise InvalidImageError(f"{type(image).__name__} (did the image load?)")
    shaped = (image.ndim == 3 and image.shape[2] == 3) or (gray and image.ndim == 2)
    if image.dtype != np.uint8 or not shaped or image.size == 0:
        raise InvalidImageError(f"{image.dtype} of shape {image.shape}")
    return image


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
