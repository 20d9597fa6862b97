"""Measures robustness against worse boxes and worse pictures.

A perturbation maps a face's image, gray (H, W) or BGR (H, W, 3), the points' box in it and a
generator to the input that the runtime would have instead. The generator is seeded by the face's
name, so that results are repeatable, and a face is tilted to the same side at every angle.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from tqdm import tqdm

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.boxes import apply_rule, points_box, square_boxes
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.rules import POINTS_BOX, CropRule
from fkd_infer.geometry.transforms import invert, similarity, transform
from fkd_train.data.augmentation.photometric import Rng, jpeg
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import Evaluation
from fkd_train.evaluation.predict import Predict, predict_all


@dataclass(frozen=True)
class View:
    """The runtime's input: an image, and the centre (2,) and side of the points' square.

    The face appears rotated by `tilt` radians, clockwise on screen, about the centre. `to_original`
    (2, 3) maps this image to the face's original image.
    """

    image: Pixels
    centre: Floats
    side: float
    tilt: float = 0.0
    to_original: Matrix = field(default_factory=lambda: np.eye(2, 3))

    def matrix(self, rule: CropRule, size: int) -> Matrix:
        """Returns the crop matrix (2, 3) by the runtime's rule."""
        box = square_boxes(self.centre[None], np.array([self.side], np.float32))
        centres, sides = apply_rule(box, rule)
        # The crop's centre, which differs from the box's, rotates about it.
        rotation = similarity((0, 0), 1, 1, self.tilt)
        centre = self.centre + transform(centres - self.centre, rotation)[0]
        return similarity(centre, float(sides[0]), size, -self.tilt)


Perturbation = Callable[[Pixels, Floats, float, Rng], View]
"""Maps a face's image, its points' box (centre (2,), longer side) and a generator."""


def clean(image: Pixels, centre: Floats, side: float, rng: Rng) -> View:
    """Returns the unchanged face."""
    return View(image, centre, side)


def shifted(image: Pixels, centre: Floats, side: float, rng: Rng, share: float) -> View:
    """Moves the box by `share` of its side in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    offset = share * side * np.array([np.cos(angle), np.sin(angle)], np.float32)
    return View(image, centre + offset, side)


def scaled(image: Pixels, centre: Floats, side: float, rng: Rng, factor: float) -> View:
    """Scales the box about its centre."""
    return View(image, centre, factor * side)


def tilted(image: Pixels, centre: Floats, side: float, rng: Rng, degrees: float) -> View:
    """Tilts the face in its crop, to a random side."""
    return View(image, centre, side, float(np.radians(rng.choice([-degrees, degrees]))))


def shrunk(image: Pixels, centre: Floats, side: float, rng: Rng, pixels: float) -> View:
    """Downscales the image until the box's side is `pixels`; smaller faces are unchanged."""
    factor = max(1.0, side / pixels)
    small, to_original = downscale(image, factor)
    moved = transform(centre[None], invert(to_original))[0]
    return View(small, moved, side / factor, to_original=to_original)


def darkened(image: Pixels, centre: Floats, side: float, rng: Rng, factor: float) -> View:
    """Multiplies every pixel by `factor`."""
    return View(np.rint(factor * image).astype(np.uint8), centre, side)


def blurred(image: Pixels, centre: Floats, side: float, rng: Rng, share: float) -> View:
    """Blurs with a Gaussian whose sigma is `share` of the box's side."""
    soft = cv2.GaussianBlur(image, (0, 0), share * side)
    return View(np.asarray(soft, dtype=np.uint8), centre, side)


def compressed(image: Pixels, centre: Floats, side: float, rng: Rng, quality: int) -> View:
    """Compresses the image as JPEG."""
    return View(jpeg(image, quality), centre, side)


PERTURBATIONS: dict[str, Perturbation] = {
    "clean": clean,
    "box shifted by 10 %": partial(shifted, share=0.1),
    "box × 0.8": partial(scaled, factor=0.8),
    "box × 1.25": partial(scaled, factor=1.25),
    "tilted by 15°": partial(tilted, degrees=15),
    "tilted by 30°": partial(tilted, degrees=30),
    "tilted by 45°": partial(tilted, degrees=45),
    "shrunk to 24 px": partial(shrunk, pixels=24),
    "darkened to a quarter": partial(darkened, factor=0.25),
    "blurred by 2 %": partial(blurred, share=0.02),
    "JPEG quality 20": partial(compressed, quality=20),
}
"""The rows of the table; the first is the reference of the others."""


@dataclass(frozen=True)
class Robustness:
    """Metrics under one perturbation, in percent; `ratio` is its NME relative to clean faces."""

    perturbation: str
    nme: float
    failure_rate_10: float
    ratio: float


def robustness(predict: Predict, faces: Faces, sampler: CropSampler) -> tuple[Robustness, ...]:
    """Evaluates each perturbation, in the runtime's crops around the points' boxes."""
    names = tqdm(PERTURBATIONS, desc="perturbed", leave=False, disable=None)
    accuracies = {
        name: evaluate_perturbed(predict, faces, sampler, PERTURBATIONS[name]).accuracy
        for name in names
    }
    clean_nme = accuracies["clean"].nme
    return tuple(
        Robustness(name, accuracy.nme, accuracy.failure_rate_10, accuracy.nme / clean_nme)
        for name, accuracy in accuracies.items()
    )


def evaluate_perturbed(
    predict: Predict, faces: Faces, sampler: CropSampler, perturbation: Perturbation
) -> Evaluation:
    """Evaluates a network on perturbed faces, in pixels of the original images."""
    crops, matrices, to_originals = [], [], []
    for name, image, points in zip(faces.names, faces.images, faces.points, strict=True):
        view = _perturb(perturbation, name, image, points)
        matrix = view.matrix(sampler.config.rule(), sampler.size)
        crops.append(sampler.cut(view.image, matrix))
        matrices.append(matrix)
        to_originals.append(view.to_original)
    points = transform(predict_all(predict, np.stack(crops)).points, invert(np.array(matrices)))
    return Evaluation.of(transform(points, np.array(to_originals)), faces)


def _perturb(perturbation: Perturbation, name: str, image: Pixels, points: Floats) -> View:
    centres, sides = apply_rule(points_box(points)[None], POINTS_BOX)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return perturbation(image, centres[0], float(sides[0]), rng)
