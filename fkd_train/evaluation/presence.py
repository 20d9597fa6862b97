"""How well the score tells a well-framed face from anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import similarity
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import Predict, evaluation_crops, predict_all
from fkd_train.evaluation.metrics import roc_auc

PHOTOS = (
    "brick",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
"""Pictures without a face that come with scikit-image."""
WINDOWS = 40
"""Crops of each."""


@dataclass(frozen=True)
class Group:
    """One kind of crops that are no well-framed face: how many, ROC AUC of the faces' scores
    against theirs, and the share of them that passes for a face at the default threshold, %."""

    count: int
    auc: float
    accepted: float


@dataclass(frozen=True)
class ScoreReport:
    """Faces, the share of them that the default threshold rejects in percent, and each group of
    other crops; `auc` is that of all backgrounds together."""

    faces: int
    rejected: float
    auc: float
    groups: dict[str, Group]


def measure_score(predict: Predict, faces: Faces, sampler: CropSampler) -> ScoreReport | None:
    """Scores of faces against crops beside them, of scikit-image's photos, and of bad frames.

    None where the network has no score. The crops are the same at each call.
    """
    true = predict_all(predict, evaluation_crops(faces, sampler)[0]).scores
    if true is None:
        return None
    crops = {
        "beside the face": list(_beside(faces, sampler)),
        "photos without a face": list(_photo_windows(sampler)),
        "badly framed face": list(_misframed(faces, sampler)),
    }
    scores = {
        name: np.asarray(predict_all(predict, np.stack(group)).scores)
        for name, group in crops.items()
        if group
    }
    backgrounds = [scores[name] for name in list(crops)[:2] if name in scores]
    return ScoreReport(
        faces=len(true),
        rejected=100 * float(np.mean(true < MIN_PRESENCE)),
        auc=roc_auc(true, np.concatenate(backgrounds)),
        groups={name: _group(true, other) for name, other in scores.items()},
    )


def _group(true: Floats, other: Floats) -> Group:
    accepted = 100 * float(np.mean(other >= MIN_PRESENCE))
    return Group(len(other), roc_auc(true, other), accepted)


def _beside(faces: Faces, sampler: CropSampler) -> Iterator[Pixels]:
    """A crop of each image that has room for one beside its face."""
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        matrix = sampler.background_matrix(image, points, np.random.default_rng(row))
        if matrix is not None:
            yield sampler.cut(image, matrix)


def _misframed(faces: Faces, sampler: CropSampler) -> Iterator[Pixels]:
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        matrix = sampler.misframed_matrix(points, np.random.default_rng(row))
        yield sampler.cut(image, matrix)


def _photo_windows(sampler: CropSampler) -> Iterator[Pixels]:
    """Squares of all sizes and places from scikit-image's pictures."""
    from skimage import data

    for number, name in enumerate(PHOTOS):
        rng = np.random.default_rng(number)
        image = _gray(getattr(data, name)())
        height, width = image.shape
        for _ in range(WINDOWS):
            side = min(height, width) * rng.uniform(0.15, 1.0)
            centre = rng.uniform(side / 2, [width - side / 2, height - side / 2])
            yield sampler.cut(image, similarity(centre, side, sampler.size))


def _gray(image: NDArray[np.generic]) -> Pixels:
    pixels = np.asarray(image, dtype=np.uint8)
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels[..., :3], cv2.COLOR_RGB2GRAY), dtype=np.uint8)
