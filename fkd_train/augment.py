"""From an annotated image to a network input: the evaluation crop, and random training crops.

Every random choice comes from the generator that is passed in; nothing here has state.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.crop import (
    Floats,
    Matrix,
    Pixels,
    apply_rule,
    crop,
    crop_matrices,
    points_box,
    similarity,
    transform,
)
from fkd_infer.schemes import LandmarkScheme
from fkd_train.config import AugmentConfig, CropConfig, Recipe

Rng = np.random.Generator


@dataclass(frozen=True)
class Sampler:
    """Cuts inputs (size, size, channels) uint8 with their points (n, 2), crop pixels."""

    size: int
    channels: int
    config: CropConfig
    scheme: LandmarkScheme

    @classmethod
    def of(cls, recipe: Recipe, scheme: LandmarkScheme) -> Sampler:
        """The crops that a recipe's network takes."""
        return cls(recipe.model.size, recipe.model.channels, recipe.crop, scheme)

    def matrix(self, image: Pixels, points: Floats) -> Matrix:
        """The evaluation crop (2, 3) of one image."""
        if self.config.reference == "image":
            return window_matrix(image, self.config.resize, self.size, 0.5, 0.5)
        matrices = crop_matrices(points_box(points)[None], self.config.rule(), self.size)
        return np.asarray(matrices[0])

    def cut(self, image: Pixels, matrix: Matrix) -> Pixels:
        """The pixels of a crop."""
        return crop(image, matrix, self.size, self.channels, self.config.border)

    def random(
        self, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng
    ) -> tuple[Pixels, Floats]:
        """One training crop: one warp, then changes of its pixels."""
        mirror = bool(rng.random() < augment.flip)
        if self.config.reference == "image":
            matrix = window_matrix(image, self.config.resize, self.size, *rng.random(2))
        else:
            matrix = self._jittered(points, augment, rng, mirror)
        moved = transform(points, matrix)
        if mirror:
            moved = moved[self.scheme.flip_permutation]
        return photometric(self.cut(image, matrix), augment, rng), moved

    def _jittered(self, points: Floats, augment: AugmentConfig, rng: Rng, mirror: bool) -> Matrix:
        centres, sides = apply_rule(points_box(points)[None], self.config.rule())
        x, y, scale, roll = np.clip(rng.standard_normal(4), -2, 2)
        centre = centres[0] + sides[0] * augment.shift * np.array([x, y])
        side = float(sides[0]) * float(np.exp(augment.scale * scale))
        return similarity(centre, side, self.size, np.radians(augment.roll * roll), mirror)


def window_matrix(image: Pixels, resize: int, size: int, right: float, down: float) -> Matrix:
    """A window of a resized image: its shorter side to `resize` px, aspect ratio kept.

    `right` and `down`, from 0 to 1, place the window between the edges; whole pixels.
    """
    height, width = image.shape[:2]
    scale = resize / min(height, width)
    room = np.array([int(width * scale), int(height * scale)]) - size
    corner = np.floor(np.array([right, down]) * (room + 1)).clip(0, room)
    # A pixel centre stays one: (x + 0.5) · scale - 0.5, as cv2.resize does.
    offset = (scale - 1) / 2 - corner
    return np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])


def photometric(pixels: Pixels, augment: AugmentConfig, rng: Rng) -> Pixels:
    """Random light, resolution, blur, noise and occlusion on a crop (S, S, C)."""
    chances = rng.random(5)
    if chances[0] < augment.light:
        pixels = _relit(pixels, rng)
    if chances[1] < augment.low_resolution:
        pixels = _coarse(pixels, rng)
    if chances[2] < augment.blur:
        pixels = _blurred(pixels, rng)
    if chances[3] < augment.noise:
        pixels = _noisy(pixels, rng)
    if chances[4] < augment.occlusion:
        pixels = _occluded(pixels, rng)
    return pixels


def _relit(pixels: Pixels, rng: Rng) -> Pixels:
    """Gamma, contrast about the mean, and brightness."""
    gamma, contrast = np.exp(rng.normal(0, 0.3, 2))
    brightness = rng.normal(0, 25)
    middle = float(pixels.mean())
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = (levels - middle) * contrast + middle + brightness
    lookup = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(lookup[pixels])


def _coarse(pixels: Pixels, rng: Rng) -> Pixels:
    size = pixels.shape[0]
    small = int(size * rng.uniform(0.25, 0.8))
    reduced = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
    return _as_pixels(cv2.resize(reduced, (size, size), interpolation=cv2.INTER_LINEAR), pixels)


def _blurred(pixels: Pixels, rng: Rng) -> Pixels:
    """Out of focus, or moved while exposed."""
    if rng.random() < 0.5:
        return _as_pixels(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.5, 1.8)), pixels)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return _as_pixels(cv2.filter2D(pixels, -1, kernel / kernel.sum()), pixels)


def _noisy(pixels: Pixels, rng: Rng) -> Pixels:
    noise = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(2, 14))
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _occluded(pixels: Pixels, rng: Rng) -> Pixels:
    """Covers a rectangle with one colour, or with another part of the crop."""
    size = pixels.shape[0]
    wide, high = (size * rng.uniform(0.12, 0.4, 2)).astype(int)
    x, from_x = rng.integers(0, size - wide, 2)
    y, from_y = rng.integers(0, size - high, 2)
    covered = pixels.copy()
    patch = covered[y : y + high, x : x + wide]
    if rng.random() < 0.5:
        patch[:] = rng.integers(0, 256, pixels.shape[2], dtype=np.uint8)
    else:
        patch[:] = pixels[from_y : from_y + high, from_x : from_x + wide]
    return covered


def _as_pixels(image: NDArray[np.generic], like: Pixels) -> Pixels:
    """What OpenCV answers, with the channel axis that it drops."""
    return np.asarray(image, dtype=np.uint8).reshape(like.shape)
