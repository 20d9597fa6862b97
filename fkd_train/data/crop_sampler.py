"""From an annotated image to a network input: the evaluation crop, and random training crops.

Every random choice uses the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.crop import crop, crop_matrices
from fkd_infer.geometry.transforms import similarity, transform
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.config.landmarks import CropConfig, LandmarkRecipe
from fkd_train.config.sections import AugmentConfig
from fkd_train.data.augmentation.drawings import with_drawing
from fkd_train.data.augmentation.eyelids import with_lowered_lids
from fkd_train.data.augmentation.head_turn import HeadTurn
from fkd_train.data.augmentation.non_faces import scrambled, texture
from fkd_train.data.augmentation.occluders import with_glasses, with_hand
from fkd_train.data.augmentation.photometric import Rng, photometric

_ATTEMPTS = 12
_MAX_TURN = 35.0
"""Degrees by which a head is turned further, at most."""
_UNFRAMED = {"background": 0.4, "turned": 0.25, "misframed": 0.2, "scrambled": 0.05, "texture": 0.1}
"""Kinds of crops without a well-framed face, with their probabilities."""
_DRAWN = {"background": 0.25, "texture": 0.7}
"""Probabilities of a drawing over such a crop."""
_LOOSE = 0.14, 0.3, 55.0
"""Shift (share of the crop's side), logarithm of the scale, and roll (degrees) of a loose box."""


@dataclass(frozen=True)
class CropSampler:
    """Cuts network inputs (size, size, channels) uint8 with their points (n, 2) in crop pixels."""

    size: int
    channels: int
    config: CropConfig
    scheme: LandmarkScheme

    @classmethod
    def of_card(cls, card: ModelCard) -> CropSampler:
        """The sampler for an exported network."""
        config = CropConfig(card.crop.scale, "points", card.crop.shift, card.crop.border)
        return cls(card.input.size, card.input.channels, config, card.landmarks)

    @property
    def in_colour(self) -> bool:
        """Whether the network needs images in colour."""
        return self.channels == 3

    @classmethod
    def of(cls, recipe: LandmarkRecipe) -> CropSampler:
        """The sampler for a recipe's network."""
        return cls(recipe.model.size, recipe.model.channels, recipe.crop, recipe.landmarks)

    def matrix(self, image: Pixels, points: Floats) -> Matrix:
        """The evaluation crop (2, 3) of an image."""
        if self.config.reference == "image":
            return window_matrix(image, self.config.resize, self.size, 0.5, 0.5)
        matrices = crop_matrices(points_box(points)[None], self.config.rule(), self.size)
        return np.asarray(matrices[0])

    def cut(self, image: Pixels, matrix: Matrix) -> Pixels:
        """The pixels of a crop."""
        return crop(image, matrix, self.size, self.channels, self.config.border)

    def random(
        self, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng
    ) -> tuple[Pixels, Floats, bool]:
        """One training crop, its points, and whether it is mirrored: a single warp, perhaps a turn
        of the head, then changes of the pixels."""
        mirror = bool(rng.random() < augment.flip)
        if self.config.reference == "image":
            matrix = window_matrix(image, self.config.resize, self.size, *rng.random(2))
            pixels, moved = self.cut(image, matrix), transform(points, matrix)
        elif augment.turned and rng.random() < augment.turned:
            pixels, moved = self._turned(image, points, augment, rng, mirror)
        else:
            matrix = self._jittered_matrix(points, augment, rng, mirror)
            pixels, moved = self.cut(image, matrix), transform(points, matrix)
        if mirror:
            moved = moved[self.scheme.flip_permutation]
        if augment.blink and rng.random() < augment.blink:
            pixels, moved = with_lowered_lids(pixels, moved, float(rng.random()))
        if augment.glasses and rng.random() < augment.glasses:
            pixels = with_glasses(pixels, moved[list(self.scheme.outer_eye_corners)], rng)
        if augment.hand and rng.random() < augment.hand:
            pixels = with_hand(pixels, rng)
        return photometric(pixels, augment, rng), moved, mirror

    def unframed(self, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng) -> Pixels:
        """A crop without a well-framed face: background, a face that is turned, cut, or framed
        badly, parts of a face in disorder, or no picture at all; perhaps with a drawing."""
        kind = str(rng.choice(list(_UNFRAMED), p=list(_UNFRAMED.values())))
        if kind == "texture":
            pixels = texture((self.size, self.size, self.channels), rng)
        else:
            pixels = self.cut(image, self._unframed_matrix(kind, image, points, augment, rng))
        if kind == "scrambled":
            pixels = scrambled(pixels, rng)
        if rng.random() < _DRAWN.get(kind, 0):
            pixels = with_drawing(pixels, rng)
        return photometric(pixels, augment, rng)

    def _unframed_matrix(
        self, kind: str, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng
    ) -> Matrix:
        if kind == "scrambled":
            return self._jittered_matrix(points, augment, rng, mirror=False)
        if kind == "turned":
            return self.turned_matrix(points, rng)
        beside = self.background_matrix(image, points, rng) if kind == "background" else None
        return self.misframed_matrix(points, rng) if beside is None else beside

    def background_matrix(self, image: Pixels, points: Floats, rng: Rng) -> Matrix | None:
        """A crop (2, 3) beside the face that covers at most a tenth of the face's box; None if the
        image seems to have no room for one."""
        box = points_box(points)
        extent = float((box[2:] - box[:2]).max())
        frame = np.array(image.shape[1::-1])
        for _ in range(_ATTEMPTS):
            side = extent * float(np.exp(rng.uniform(np.log(0.4), np.log(1.6))))
            centre = rng.uniform(0.4 * side, np.maximum(frame - 0.4 * side, 0.4 * side + 1))
            shared = np.minimum(box[2:], centre + side / 2) - np.maximum(box[:2], centre - side / 2)
            covered = np.prod(shared.clip(0))
            if covered <= 0.1 * np.prod(box[2:] - box[:2]) and covered < 0.25 * side**2:
                return similarity(centre, side, self.size, np.radians(rng.normal(0, 10)))
        return None

    def misframed_matrix(self, points: Floats, rng: Rng) -> Matrix:
        """A crop (2, 3) that misses half the face, or shows it far too large or small."""
        centre, side = self._square(points)
        kind = rng.integers(3)
        if kind == 0:
            angle = rng.uniform(0, 2 * np.pi)
            centre += side * rng.uniform(0.42, 0.9) * np.array([np.cos(angle), np.sin(angle)])
        elif kind == 1:
            side *= rng.uniform(0.2, 0.5)
            centre += side * rng.uniform(-0.5, 0.5, 2)
        else:
            side *= rng.uniform(2.0, 3.2)
        return similarity(centre, side, self.size, np.radians(rng.normal(0, 10)))

    def turned_matrix(self, points: Floats, rng: Rng) -> Matrix:
        """A crop (2, 3), framed like a bad box, of a face on its side or upside down."""
        centre, side = self._square(points)
        centre += side * rng.uniform(-0.18, 0.18, 2)
        side *= float(np.exp(rng.uniform(-0.35, 0.35)))
        return similarity(centre, side, self.size, np.radians(rng.uniform(75, 285)))

    def _square(self, points: Floats) -> tuple[NDArray[np.float64], float]:
        """Centre (2,) and side of the evaluation crop."""
        centres, sides = apply_rule(points_box(points)[None], self.config.rule())
        return centres[0].astype(np.float64), float(sides[0])

    def _turned(
        self, image: Pixels, points: Floats, augment: AugmentConfig, rng: Rng, mirror: bool
    ) -> tuple[Pixels, Floats]:
        """A crop of a face whose head is turned sideways, and its points in their order."""
        angle = float(np.radians(rng.uniform(-_MAX_TURN, _MAX_TURN)))
        corners = list(self.scheme.outer_eye_corners)
        turned = HeadTurn.of(points, points[corners], angle).moved(points)
        matrix = self._jittered_matrix(turned, augment, rng, mirror)
        # The face may come from beside the crop, which is therefore cut with a margin first.
        margin = self.size // 4
        shift = np.array([[0.0, 0.0, margin], [0.0, 0.0, margin]])
        wide = replace(self, size=self.size + 2 * margin).cut(image, matrix + shift)
        before = transform(points, matrix + shift)
        turn = HeadTurn.of(before, before[corners], angle)
        return turn.turned(wide, margin), turn.moved(before) - np.float32(margin)

    def _jittered_matrix(
        self, points: Floats, augment: AugmentConfig, rng: Rng, mirror: bool
    ) -> Matrix:
        centre, side = self._square(points)
        x, y, scale, roll = np.clip(rng.standard_normal(4), -2, 2)
        spread = augment.shift, augment.scale, augment.roll
        if augment.loose and rng.random() < augment.loose:
            (x, y, scale, roll), spread = rng.uniform(-1, 1, 4), _LOOSE
        centre = centre + side * spread[0] * np.array([x, y])
        side *= float(np.exp(spread[1] * scale))
        matrix = similarity(centre, side, self.size, np.radians(spread[2] * roll), mirror)
        if not augment.stretch:
            return matrix
        aspect, shear = augment.stretch * np.clip(rng.standard_normal(2), -2, 2)
        return _stretched(matrix, float(aspect), float(shear), (self.size - 1) / 2)


def _stretched(matrix: Matrix, aspect: float, shear: float, middle: float) -> Matrix:
    """Weak perspective: shears a crop and changes its aspect ratio, about its middle."""
    slant = np.array([[np.exp(aspect / 2), shear], [0.0, np.exp(-aspect / 2)]])
    return np.column_stack([slant @ matrix[:, :2], slant @ (matrix[:, 2] - middle) + middle])


def window_matrix(image: Pixels, resize: int, size: int, right: float, down: float) -> Matrix:
    """A window (2, 3) of an image whose shorter side is resized to `resize` pixels.

    `right` and `down`, from 0 to 1, place the window between the edges, at whole pixels.
    """
    height, width = image.shape[:2]
    scale = resize / min(height, width)
    room = np.array([int(width * scale), int(height * scale)]) - size
    corner = np.floor(np.array([right, down]) * (room + 1)).clip(0, room)
    # Pixel centres map to pixel centres: (x + 0.5) · scale - 0.5, as in cv2.resize.
    offset = (scale - 1) / 2 - corner
    return np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])
