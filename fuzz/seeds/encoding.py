"""Draws and encodes the pictures of seeds."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels


def draw_picture(width: int, height: int) -> Pixels:
    """Draws a gradient with a disc, which has content for every codec."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    picture = np.dstack([x * 12 % 256, y * 15 % 256, (x + y) * 7 % 256]).astype(np.uint8)
    picture[(x - width / 2) ** 2 + (y - height / 2) ** 2 < 16] = (40, 200, 230)
    return picture


def encode(suffix: str, image: np.ndarray[Any, Any], *options: int) -> bytes:
    """Encodes an image in the format of a suffix, such as .png."""
    success, data = cv2.imencode(suffix, image, options)
    assert success
    return data.tobytes()
