"""Random changes of pixels that leave faces in place: light, sharpness, noise, compression.

Images are uint8 (S, S, C) unless noted; every random choice uses the generator that is passed in.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Pixels
from fkd_train.config.sections import AugmentConfig

Rng = np.random.Generator


def photometric(pixels: Pixels, augment: AugmentConfig, rng: Rng) -> Pixels:
    """Applies each change with the probability that `augment` states."""
    chances = rng.random(5)
    if chances[0] < augment.light:
        pixels = relit(pixels, rng)
    if chances[1] < augment.low_resolution:
        pixels = _low_resolution(pixels, augment.coarsest, rng)
    if chances[2] < augment.blur:
        pixels = _blurred(pixels, rng)
    if chances[3] < augment.noise:
        pixels = _noisy(pixels, rng)
    if chances[4] < augment.occlusion:
        pixels = _occluded(pixels, rng)
    # Draws a number only if needed, so that recipes without it keep their sequence of crops.
    if augment.lamp and rng.random() < augment.lamp:
        pixels = _lit_from_a_side(pixels, rng)
    if augment.jpeg and rng.random() < augment.jpeg:
        pixels = jpeg(pixels, int(rng.integers(10, 60)))
    return pixels


def relit(pixels: Pixels, rng: Rng) -> Pixels:
    """Changes gamma, contrast about the mean, and brightness."""
    gamma, contrast = np.exp(rng.normal(0, 0.3, 2))
    brightness = rng.normal(0, 25)
    middle = float(pixels.mean())
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = (levels - middle) * contrast + middle + brightness
    lookup = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(lookup[pixels])


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Compresses an image (H, W) or (H, W, C) as JPEG of a quality from 0 to 100."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return with_shape_of(pixels, decoded)


def with_shape_of(pixels: Pixels, result: NDArray[np.generic]) -> Pixels:
    """OpenCV's result as uint8, with the channel axis that OpenCV drops from gray images."""
    return np.asarray(result, dtype=np.uint8).reshape(pixels.shape)


def _low_resolution(pixels: Pixels, coarsest: float, rng: Rng) -> Pixels:
    size = pixels.shape[0]
    small = int(size * rng.uniform(coarsest, 0.8))
    reduced = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(reduced, (size, size), interpolation=cv2.INTER_LINEAR)
    return with_shape_of(pixels, enlarged)


def _blurred(pixels: Pixels, rng: Rng) -> Pixels:
    """Defocus or motion blur."""
    if rng.random() < 0.5:
        return with_shape_of(pixels, cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.5, 1.8)))
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return with_shape_of(pixels, cv2.filter2D(pixels, -1, kernel / kernel.sum()))


def _noisy(pixels: Pixels, rng: Rng) -> Pixels:
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(2, 14))
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _occluded(pixels: Pixels, rng: Rng) -> Pixels:
    """Covers a rectangle with one colour, or with another part of the crop."""
    size = pixels.shape[0]
    width, height = (size * rng.uniform(0.12, 0.4, 2)).astype(int)
    x, from_x = rng.integers(0, size - width, 2)
    y, from_y = rng.integers(0, size - height, 2)
    covered = pixels.copy()
    patch = covered[y : y + height, x : x + width]
    if rng.random() < 0.5:
        patch[:] = rng.integers(0, 256, pixels.shape[2], dtype=np.uint8)
    else:
        patch[:] = pixels[from_y : from_y + height, from_x : from_x + width]
    return covered


def _lit_from_a_side(pixels: Pixels, rng: Rng) -> Pixels:
    """One side brighter than the other, by a factor of up to three."""
    size = pixels.shape[0]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    ramp = np.cos(angle) * along[None] + np.sin(angle) * along[:, None]
    factor = np.exp(np.float32(strength) * ramp, dtype=np.float32)
    lit: Pixels = np.clip(pixels * factor[..., None], 0, 255).astype(np.uint8)
    return lit
