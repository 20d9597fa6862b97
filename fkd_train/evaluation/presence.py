"""Measures how well the score tells good points from bad ones, and faces from other crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.transforms import similarity, transform
from fkd_train.config.sections import AugmentConfig
from fkd_train.data.augmentation.drawings import with_drawing
from fkd_train.data.augmentation.non_faces import texture
from fkd_train.data.augmentation.photometric import Rng
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.data.pictures import as_bgr
from fkd_train.evaluation.accuracy import evaluation_crops
from fkd_train.evaluation.metrics import nme, roc_auc
from fkd_train.evaluation.predict import Predict, predict_all
from fkd_train.losses.landmarks import HALF_QUALITY, quality_of

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
_HARD = AugmentConfig(loose=1.0, turned=0.5, light=0.5, occlusion=0.5, hand=0.2)
BINS = 10
"""Of the score, from 0 to 1."""
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
class ScoreBin:
    """Crops of all kinds with scores from `low` to `high`: their mean score, their mean quality,
    which is 0 without a face, and the share without a face or with an error above 15 %."""

    low: float
    high: float
    count: int
    score: float
    quality: float
    failed: float


@dataclass(frozen=True)
class ScoreReport:
    """The number of faces, the share of them below the default threshold in percent, and the groups
    of other crops; `auc` is against all backgrounds together.

    `error_auc` is the ROC AUC by which the score separates errors up to 10 % from larger ones, on
    `hard` crops of faces: loosely framed, turned and covered; None without errors of both kinds.
    `bins` show all of these crops by their score.
    """

    faces: int
    rejected: float
    auc: float
    groups: dict[str, Group]
    hard: int
    error_auc: float | None
    bins: tuple[ScoreBin, ...]


def measure_score(predict: Predict, faces: Faces, sampler: CropSampler) -> ScoreReport | None:
    """Compares scores of faces with those of crops beside them, of pictures, and of bad framing.

    None if the network has no score. The crops are the same in each call.
    """
    crops, matrices = evaluation_crops(faces, sampler)
    clean = predict_all(predict, crops)
    face_scores = clean.scores
    if face_scores is None:
        return None
    true_points = transform(faces.points, matrices)
    hard_crops, hard_points = _hard(faces, sampler)
    hard = predict_all(predict, hard_crops)
    assert hard.scores is not None
    clean_errors = nme(clean.points, true_points, faces.scheme, faces.labelled)
    hard_errors = nme(hard.points, hard_points, faces.scheme, faces.labelled)
    crops_by_group = {
        "beside the face": list(crops_beside(faces, sampler)),
        "photos without a face": list(_photo_windows(sampler)),
        "badly framed face": list(_framed(faces, sampler, sampler.misframed_matrix)),
        "face on its side or upside down": list(_framed(faces, sampler, sampler.turned_matrix)),
        "digits, letters, drawings": list(_drawings(len(faces), sampler)),
    }
    scores = {
        name: np.asarray(predict_all(predict, np.stack(group)).scores)
        for name, group in crops_by_group.items()
        if group
    }
    backgrounds = [scores[name] for name in list(crops_by_group)[:2] if name in scores]
    no_faces = np.concatenate(list(scores.values()))
    far = hard_errors > 10
    return ScoreReport(
        faces=len(face_scores),
        rejected=100 * float(np.mean(face_scores < MIN_PRESENCE)),
        auc=roc_auc(face_scores, np.concatenate(backgrounds)),
        groups={name: _group(face_scores, other) for name, other in scores.items()},
        hard=len(hard_errors),
        error_auc=roc_auc(hard.scores[~far], hard.scores[far])
        if 0 < far.sum() < len(far)
        else None,
        bins=_bins(
            np.concatenate([face_scores, hard.scores, no_faces]),
            np.concatenate([clean_errors, hard_errors, np.full(len(no_faces), np.inf)]),
        ),
    )


def _bins(scores: Floats, errors: Floats) -> tuple[ScoreBin, ...]:
    """Bins of scores (n,) with the errors (n,) of the points, infinite without a face."""
    quality = quality_of(errors / 100)
    failed = errors > 100 * HALF_QUALITY
    numbers = np.minimum((scores * BINS).astype(int), BINS - 1)
    return tuple(
        ScoreBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(inside.sum()),
            score=float(scores[inside].mean()),
            quality=float(quality[inside].mean()),
            failed=100 * float(failed[inside].mean()),
        )
        for number in range(BINS)
        if (inside := numbers == number).any()
    )


def _group(face_scores: Floats, other: Floats) -> Group:
    accepted = 100 * float(np.mean(other >= MIN_PRESENCE))
    return Group(len(other), roc_auc(face_scores, other), accepted)


def crops_beside(faces: Faces, sampler: CropSampler) -> Iterator[Pixels]:
    """Yields a crop beside the face of each image with enough room."""
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        matrix = sampler.background_matrix(image, points, np.random.default_rng(row))
        if matrix is not None:
            yield sampler.cut(image, matrix)


def _framed(
    faces: Faces, sampler: CropSampler, matrix: Callable[[Floats, Rng], Matrix]
) -> Iterator[Pixels]:
    """Yields a crop of each face that is framed by a random matrix (2, 3)."""
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        yield sampler.cut(image, matrix(points, np.random.default_rng(row)))


def _hard(faces: Faces, sampler: CropSampler) -> tuple[Pixels, Floats]:
    """A crop (n, S, S, C) of each face that is hard to place points on, and the points in it."""
    crops, moved = [], []
    for row, (image, points) in enumerate(zip(faces.images, faces.points, strict=True)):
        rng = np.random.default_rng(row)
        pixels, in_crop, _ = sampler.random(image, points, _HARD, rng)
        crops.append(pixels)
        moved.append(in_crop)
    return np.stack(crops), np.stack(moved)


def _drawings(count: int, sampler: CropSampler) -> Iterator[Pixels]:
    shape = (sampler.size, sampler.size, sampler.channels)
    for number in range(count):
        rng = np.random.default_rng(number)
        yield with_drawing(texture(shape, rng), rng)


def _photo_windows(sampler: CropSampler) -> Iterator[Pixels]:
    """Yields random squares of the pictures."""
    from skimage import data

    for number, name in enumerate(PICTURES):
        rng = np.random.default_rng(number)
        image = as_bgr(getattr(data, name)())
        height, width = image.shape[:2]
        for _ in range(WINDOWS):
            side = min(height, width) * rng.uniform(0.15, 1.0)
            centre = rng.uniform(side / 2, [width - side / 2, height - side / 2])
            yield sampler.cut(image, similarity(centre, side, sampler.size))
