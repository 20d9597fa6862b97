"""Measures how well the score separates well-framed faces from other crops."""

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
from fkd_train.evaluation.accuracy import evaluation_crops
from fkd_train.evaluation.metrics import roc_auc
from fkd_train.evaluation.predict import Predict, predict_all

PICTURES = (
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
"""Pictures of scikit-image without a face."""
WINDOWS = 40
"""Crops of each picture."""


@dataclass(frozen=True)
class Group:
    """One kind of crops without a well-framed face.

    `auc` is the ROC AUC of the faces' scores against theirs, `accepted` the share of them above the
    default threshold, in percent.
    """

    count: int
    auc: float
    accepted: float


@dataclass(frozen=True)
class ScoreReport:
    """The number of faces, the share of them below the default threshold in percent, and the groups
    of other crops; `auc` is against all backgrounds together."""

    faces: int
    rejected: float
    auc: float
    groups: dict[str, Group]


def measure_score(predict: Predict, faces: Faces, sampler: CropSampler) -> ScoreReport | None:
    """Compares scores of faces with those of crops beside them, of pictures, and of bad framing.

    None if the network has no score. The crops are the same in each call.
    """
    face_scores = predict_all(predict, evaluation_crops(faces, sampler)[0]).scores
    if face_scores is None:
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
        faces=len(face_scores),
        rejected=100 * float(np.mean(face_scores < MIN_PRESENCE)),
        auc=roc_auc(face_scores, np.concatenate(backgrounds)),
        groups={name: _group(face_scores, other) for name, other in scores.items()},
    )


def _group(face_scores: Floats, other: Floats) -> Group:
    accepted = 100 * float(np.mean(other >= MIN_PRESENCE))
    return Group(len(other), roc_auc(face_scores, other), accepted)


def _beside(faces: Faces, sampler: CropSampler) -> Iterator[Pixels]:
    """Yields a crop beside the face of each image with enough room."""
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        matrix = sampler.background_matrix(image, points, np.random.default_rng(row))
        if matrix is not None:
            yield sampler.cut(image, matrix)


def _misframed(faces: Faces, sampler: CropSampler) -> Iterator[Pixels]:
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        matrix = sampler.misframed_matrix(points, np.random.default_rng(row))
        yield sampler.cut(image, matrix)


def _photo_windows(sampler: CropSampler) -> Iterator[Pixels]:
    """Yields random squares of the pictures."""
    from skimage import data

    for number, name in enumerate(PICTURES):
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
