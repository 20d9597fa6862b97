"""Conversions between BGR and the pixel formats of videos."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from fkd_infer.media.video.colour import MATRIX, to_bgr, to_gray, to_i420

RED, BLUE = 0.299, 0.114
"""Weights of red and blue in the luma of BT.601."""


def bt601(bgr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Y, U and V of BT.601 in limited range (..., 3)."""
    blue, green, red = np.moveaxis(bgr, -1, 0)
    luma = RED * red + BLUE * blue + (1 - RED - BLUE) * green
    u = (blue - luma) / (2 * (1 - BLUE))
    v = (red - luma) / (2 * (1 - RED))
    return np.stack([16 + luma * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255], axis=-1)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Returns an image of smooth gradients over a wide range of colours."""
    y, x = np.mgrid[:height, :width]
    channels = [
        127 + 120 * np.sin(x / 40),
        127 + 120 * np.cos(y / 50),
        127 + 120 * np.sin((x + y) / 60),
    ]
    return np.stack(channels, axis=-1).astype(np.uint8)


def test_i420_uses_the_matrix_of_its_tag() -> None:
    image = smooth(96, 128)
    stored = to_i420(image)
    assert MATRIX == 6
    assert stored.shape == (144, 128)
    expected = bt601(image.astype(np.float64))
    np.testing.assert_allclose(stored[:96], expected[..., 0], atol=1)
    means = expected.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(stored[96:].reshape(2, 48, 64)[0], means[..., 1], atol=1.6)
    np.testing.assert_allclose(stored[96:].reshape(2, 48, 64)[1], means[..., 2], atol=1.6)


def test_chroma_is_the_mean_of_four_pixels() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2, ::2] = (255, 255, 255)
    image[1::2, 1::2, 2] = 255
    chroma = to_i420(image)[4:].reshape(2, 2, 2)
    expected = bt601(image.astype(np.float64)).reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(chroma, np.moveaxis(expected[..., 1:], -1, 0), atol=1.6)


def test_converting_there_and_back_changes_little() -> None:
    picture = VideoFrame.from_ndarray(to_i420(smooth(96, 128)), format="yuv420p")
    picture.colorspace = MATRIX
    again = to_i420(to_bgr(picture, VideoReformatter()))
    stored = picture.to_ndarray()
    assert np.abs(again[:96].astype(int) - stored[:96]).max() <= 2
    assert np.abs(again[96:].astype(int) - stored[96:]).max() <= 2


@pytest.mark.parametrize(("full", "low", "high"), [(False, 16, 235), (True, 0, 255)])
def test_gray_has_the_full_range(full: bool, low: int, high: int) -> None:
    planes = np.full((24, 16), 128, np.uint8)
    planes[:8], planes[8:16] = low, high
    picture = VideoFrame.from_ndarray(planes, format="yuv420p")
    picture.color_range = 2 if full else 1
    gray = to_gray(picture, VideoReformatter())
    assert gray.shape == (16, 16)
    assert (gray[:8] == 0).all()
    assert (gray[8:] == 255).all()
