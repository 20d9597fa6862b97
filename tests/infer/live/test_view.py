"""Encoding drawn frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from live_page import HEIGHT, WIDTH

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.live.view import MAX_VIEW_SIDE, DrawnFrame


def decode(data: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "streamed_shape"),
    [
        (WIDTH, HEIGHT, (960, MAX_VIEW_SIDE)),
        (HEIGHT, WIDTH, (MAX_VIEW_SIDE, 960)),
        (64, 48, (48, 64)),
        (9000, 2, (1, MAX_VIEW_SIDE)),
    ],
)
def test_streamed_pictures_are_downscaled_and_snapshots_exact(
    width: int, height: int, streamed_shape: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    drawn = DrawnFrame(image, 1, 0)
    assert decode(drawn.jpeg()).shape[:2] == streamed_shape
    np.testing.assert_array_equal(decode(drawn.png()), image)
