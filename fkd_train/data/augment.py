"""From an annotated image to a network input: the evaluation crop, and random training crops.

Every random choice comes from the generator that is passed in; nothing here has state.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.crop import crop, crop_matrices
from fkd_infer.geometry.transforms import similarity, transform
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_train.config.landmarks import AugmentConfig, CropConfig, LandmarkRecipe

Rng = np.random.Generator


@dataclass(frozen=True)
class CropSampler:
    """Cuts inputs (size, size, channels) uint8 with their points (n, 2), crop pixels."""

    size: int
    channels: int
    config: CropConfig
    scheme: LandmarkScheme

    @classmethod
    def of(cls, recipe: LandmarkRecipe) -> CropSampler:
        """The crops that a recipe's network takes."""
        return cls(recipe.model.size, recipe.model.channels, recipe.crop, recipe.landmarks)

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
        pixels = _worn(
            self.cut(image, matrix), moved[list(self.scheme.outer_eye_corners)], augment, rng
        )
        return photometric(pixels, augment, rng), moved

    def unframed(self, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng) -> Pixels:
        """A crop of no well-framed face: background, a face badly framed, or no face at all."""
        kind = rng.random()
        matrix = self.background_matrix(image, points, rng) if kind < 0.5 else None
        if matrix is None and kind < 0.8:
            matrix = self.misframed_matrix(points, rng)
        if matrix is not None:
            pixels = self.cut(image, matrix)
        elif kind < 0.9:
            pixels = scrambled(self.cut(image, self._jittered(points, augment, rng, False)), rng)
        else:
            pixels = texture((self.size, self.size, self.channels), rng)
        return photometric(pixels, augment, rng)

    def background_matrix(self, image: Pixels, points: Floats, rng: Rng) -> Matrix | None:
        """A crop (2, 3) beside the face, with a tenth of the face's box in it at most; None where
        the image seems to have no room for one."""
        box = points_box(points)
        extent = float((box[2:] - box[:2]).max())
        frame = np.array(image.shape[1::-1])
        for _ in range(_TRIES):
            side = extent * float(np.exp(rng.uniform(np.log(0.4), np.log(1.6))))
            centre = rng.uniform(0.4 * side, np.maximum(frame - 0.4 * side, 0.4 * side + 1))
            shared = np.minimum(box[2:], centre + side / 2) - np.maximum(box[:2], centre - side / 2)
            covered = np.prod(shared.clip(0))
            if covered <= 0.1 * np.prod(box[2:] - box[:2]) and covered < 0.25 * side**2:
                return similarity(centre, side, self.size, np.radians(rng.normal(0, 10)))
        return None

    def misframed_matrix(self, points: Floats, rng: Rng) -> Matrix:
        """A crop (2, 3) that misses half the face, or shows it far too large, small or tilted."""
        centres, sides = apply_rule(points_box(points)[None], self.config.rule())
        centre, side, roll = centres[0].astype(np.float64), float(sides[0]), rng.normal(0, 10)
        kind = rng.integers(4)
        if kind == 0:
            angle = rng.uniform(0, 2 * np.pi)
            centre += side * rng.uniform(0.42, 0.9) * np.array([np.cos(angle), np.sin(angle)])
        elif kind == 1:
            side *= rng.uniform(0.2, 0.5)
            centre += side * rng.uniform(-0.5, 0.5, 2)
        elif kind == 2:
            side *= rng.uniform(2.0, 3.2)
        else:
            roll = rng.uniform(90, 270)
        return similarity(centre, side, self.size, np.radians(roll))

    def _jittered(self, points: Floats, augment: AugmentConfig, rng: Rng, mirror: bool) -> Matrix:
        centres, sides = apply_rule(points_box(points)[None], self.config.rule())
        x, y, scale, roll = np.clip(rng.standard_normal(4), -2, 2)
        spread = augment.shift, augment.scale, augment.roll
        if augment.loose and rng.random() < augment.loose:
            (x, y, scale, roll), spread = rng.uniform(-1, 1, 4), _LOOSE
        centre = centres[0] + sides[0] * spread[0] * np.array([x, y])
        side = float(sides[0]) * float(np.exp(spread[1] * scale))
        matrix = similarity(centre, side, self.size, np.radians(spread[2] * roll), mirror)
        if not augment.stretch:
            return matrix
        aspect, shear = augment.stretch * np.clip(rng.standard_normal(2), -2, 2)
        return _stretched(matrix, float(aspect), float(shear), (self.size - 1) / 2)


_TRIES = 12
_LOOSE = 0.14, 0.3, 55.0
"""Shift (share of the crop's side), logarithm of the scale and roll (degrees) of a loose box."""


def _stretched(matrix: Matrix, aspect: float, shear: float, middle: float) -> Matrix:
    """The crop seen at a slant: sheared, and wider than high, about its middle."""
    slant = np.array([[np.exp(aspect / 2), shear], [0.0, np.exp(-aspect / 2)]])
    return np.column_stack([slant @ matrix[:, :2], slant @ (matrix[:, 2] - middle) + middle])


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
        pixels = relit(pixels, rng)
    if chances[1] < augment.low_resolution:
        pixels = _coarse(pixels, augment.coarsest, rng)
    if chances[2] < augment.blur:
        pixels = _blurred(pixels, rng)
    if chances[3] < augment.noise:
        pixels = _noisy(pixels, rng)
    if chances[4] < augment.occlusion:
        pixels = _occluded(pixels, rng)
    # Drawn for only where asked for, so that older recipes see the crops they always saw.
    if augment.lamp and rng.random() < augment.lamp:
        pixels = _lit_from_a_side(pixels, rng)
    if augment.jpeg and rng.random() < augment.jpeg:
        pixels = jpeg(pixels, int(rng.integers(10, 60)))
    return pixels


def _worn(pixels: Pixels, eye_corners: Floats, augment: AugmentConfig, rng: Rng) -> Pixels:
    """Glasses on the outer eye corners (2, 2), a hand over a part of the face."""
    if augment.glasses and rng.random() < augment.glasses:
        pixels = with_glasses(pixels, eye_corners, rng)
    if augment.hand and rng.random() < augment.hand:
        pixels = _with_hand(pixels, rng)
    return pixels


def relit(pixels: Pixels, rng: Rng) -> Pixels:
    """Gamma, contrast about the mean, and brightness."""
    gamma, contrast = np.exp(rng.normal(0, 0.3, 2))
    brightness = rng.normal(0, 25)
    middle = float(pixels.mean())
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = (levels - middle) * contrast + middle + brightness
    lookup = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(lookup[pixels])


def _coarse(pixels: Pixels, coarsest: float, rng: Rng) -> Pixels:
    size = pixels.shape[0]
    small = int(size * rng.uniform(coarsest, 0.8))
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


def _lit_from_a_side(pixels: Pixels, rng: Rng) -> Pixels:
    """One side brighter than the other, by a factor of up to three."""
    size = pixels.shape[0]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    ramp = np.cos(angle) * along[None] + np.sin(angle) * along[:, None]
    factor = np.exp(np.float32(strength) * ramp, dtype=np.float32)
    lit: Pixels = np.clip(pixels * factor[..., None], 0, 255).astype(np.uint8)
    return lit


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """An image, gray (H, W) or (H, W, C), as JPEG of a quality from 0 to 100 leaves it."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return _as_pixels(decoded, pixels)


def with_glasses(pixels: Pixels, eye_corners: Floats, rng: Rng) -> Pixels:
    """Two rims with a bridge; the lenses clear, or dark as sunglasses."""
    first, last = eye_corners.astype(np.float64)
    across = last - first
    reach = float(np.linalg.norm(across))
    tilt = float(np.degrees(np.arctan2(across[1], across[0])))
    radii = reach * rng.uniform(0.2, 0.3), reach * rng.uniform(0.15, 0.28)
    down = np.array([-across[1], across[0]]) * rng.uniform(-0.02, 0.08)
    centres = [first + across * at + down for at in (0.17, 0.83)]
    ink: list[int] = rng.integers(0, 90, (pixels.shape[2],)).tolist()
    worn = pixels.copy()
    if rng.random() < 0.4:
        for centre in centres:
            _ellipse(worn, centre, radii, tilt, ink, -1)
        dark = rng.uniform(0.6, 1.0)
        worn = _as_pixels(cv2.addWeighted(worn, dark, pixels, 1 - dark, 0), pixels)
    width = max(1, round(reach * rng.uniform(0.02, 0.08)))
    for centre in centres:
        _ellipse(worn, centre, radii, tilt, ink, width)
    inner = [c + np.sign(0.5 - k) * across / reach * radii[0] for k, c in enumerate(centres)]
    start, end = (np.rint(16 * place).astype(int).tolist() for place in inner)
    cv2.line(worn, start, end, ink, width, cv2.LINE_AA, 4)
    return worn


def _ellipse(
    pixels: Pixels,
    centre: NDArray[np.float64],
    radii: tuple[float, float],
    tilt: float,
    ink: list[int],
    width: int,
) -> None:
    place = np.rint(16 * centre).astype(int).tolist()
    axes = round(16 * radii[0]), round(16 * radii[1])
    cv2.ellipse(pixels, place, axes, tilt, 0, 360, ink, width, cv2.LINE_AA, 4)


def _with_hand(pixels: Pixels, rng: Rng) -> Pixels:
    """A palm with fingers, of the face's own brightness, reaching in from outside."""
    size = pixels.shape[0]
    middle = pixels[size // 4 : -size // 4, size // 4 : -size // 4]
    tone = np.clip(np.median(middle, axis=(0, 1)) * rng.uniform(0.6, 1.4), 0, 255)
    angle = rng.uniform(0, 2 * np.pi)
    inward = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-inward[1], inward[0]])
    palm = size / 2 - inward * size * rng.uniform(0.4, 0.65) + aside * size * rng.normal(0, 0.12)
    width = size * rng.uniform(0.07, 0.11)
    covered = pixels.copy()
    for number in range(4):
        root = palm + aside * width * 1.15 * (number - 1.5)
        tip = root + inward * size * rng.uniform(0.18, 0.34) + aside * rng.normal(0, 2)
        shade = np.clip(tone * rng.uniform(0.85, 1.15), 0, 255).astype(int).tolist()
        start, end = np.rint(root).astype(int).tolist(), np.rint(tip).astype(int).tolist()
        cv2.line(covered, start, end, shade, max(1, round(width)), cv2.LINE_AA)
    _ellipse(covered, palm, (2.6 * width, 2.6 * width), 0, tone.astype(int).tolist(), -1)
    return covered


def scrambled(pixels: Pixels, rng: Rng) -> Pixels:
    """The crop's tiles in another order: a face's parts that are no face."""
    count = int(rng.integers(2, 5))
    edge = pixels.shape[0] // count
    scrambled = pixels.copy()
    for to, source in enumerate(rng.permutation(count * count).tolist()):
        (y, x), (v, u) = divmod(to, count), divmod(source, count)
        tile = pixels[v * edge :][:edge, u * edge :][:, :edge]
        scrambled[y * edge :][:edge, x * edge :][:, :edge] = np.rot90(tile, int(rng.integers(4)))
    return scrambled


def texture(shape: tuple[int, int, int], rng: Rng) -> Pixels:
    """Smooth noise with lines and discs: walls, cloth, leaves, print."""
    size = shape[0]
    cells = int(rng.choice([1, 2, 4, 8, 16, 32]))
    coarse = rng.integers(0, 256, (cells + 1, cells + 1, shape[2]), dtype=np.uint8)
    pixels = _as_pixels(
        cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.empty(shape, np.uint8)
    )
    for _ in range(rng.integers(0, 12)):
        ink = rng.integers(0, 256, shape[2]).tolist()
        width = int(rng.integers(1, 6))
        (x, y), (u, v) = rng.integers(0, size, (2, 2)).tolist()
        if rng.random() < 0.5:
            cv2.line(pixels, (x, y), (u, v), ink, width, cv2.LINE_AA)
        else:
            radius = int(rng.integers(2, size // 3))
            cv2.circle(
                pixels, (x, y), radius, ink, width if rng.random() < 0.6 else -1, cv2.LINE_AA
            )
    return pixels


def _as_pixels(image: NDArray[np.generic], like: Pixels) -> Pixels:
    """What OpenCV answers, with the channel axis that it drops."""
    return np.asarray(image, dtype=np.uint8).reshape(like.shape)
