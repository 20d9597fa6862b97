"""Accuracy of landmark networks, by the same protocol for checkpoints and exported files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.detection.base import Detector
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image
from fkd_infer.geometry.boxes import derived_boxes, points_box
from fkd_infer.geometry.crop import crop_matrices
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.data.crop_sampler import CropSampler, window_matrix
from fkd_train.data.faces import Faces
from fkd_train.evaluation.metrics import Accuracy, Array, accuracy, mean_errors, point_errors
from fkd_train.evaluation.predict import SEED_RESIZE, SEED_SIZE, Predict, predict_all

ConventionOffsets = Mapping[str, Floats]
"""By data set, offsets (n, 2) from a network's points to where its annotators place them, as
shares of the crop's side."""
_SEED_UNIT = 50
_MAX_FACE_RATIO = 1.3


@dataclass(frozen=True)
class Evaluation:
    """Accuracy of a network on faces, and its points (n, k, 2) in image pixels.

    `seed_mse` is None for schemes other than ibug68, which the original program does not know.
    """

    accuracy: Accuracy
    seed_mse: float | None
    points: Floats
    faces: Faces

    @classmethod
    def of(cls, points: Floats, faces: Faces) -> Evaluation:
        """Compares points (n, k, 2) with the faces' true points."""
        measured = accuracy(points, faces.points, faces.scheme, faces.labelled)
        mse = seed_mse(points, faces) if faces.scheme == IBUG68 else None
        return cls(measured, mse, points, faces)

    @property
    def errors(self) -> Array:
        """Error (n, k) of each point, in percent of the interocular distance; NaN for points that
        are not labelled."""
        faces = self.faces
        return point_errors(self.points, faces.points, faces.scheme, faces.labelled)

    @property
    def face_errors(self) -> Array:
        """NME (n,) of each face, in percent."""
        return mean_errors(self.errors, 1, self.faces.labelled)

    @property
    def mean_point_errors(self) -> Array:
        """Mean error (k,) of each point, in percent; NaN for points that no face has labelled."""
        return mean_errors(self.errors, 0, self.faces.labelled)

    def by_set(self) -> dict[str, Evaluation]:
        """The evaluation of each data set by its name, or of all faces if they have none."""
        sets = np.array(self.faces.sets)
        rows = {name: np.flatnonzero(sets == name) for name in dict.fromkeys(self.faces.sets)}
        parts = {
            name: Evaluation.of(self.points[some], self.faces.rows(some.tolist()))
            for name, some in rows.items()
        }
        return parts or {"": self}

    def metrics(self) -> dict[str, object]:
        """Returns the metrics as plain data."""
        return asdict(self.accuracy) | self.seed_metric()

    def seed_metric(self) -> dict[str, float]:
        """The original program's metric under its name; empty where there is none."""
        return {} if self.seed_mse is None else {"seed_mse": self.seed_mse}


def evaluation_matrices(faces: Faces, sampler: CropSampler) -> Matrix:
    """Returns crop matrices (n, 2, 3) by the boxes of the true points."""
    pairs = zip(faces.images, faces.points, strict=True)
    return np.array([sampler.matrix(image, points) for image, points in pairs])


def evaluation_crops(faces: Faces, sampler: CropSampler) -> tuple[Pixels, Matrix]:
    """Returns crops (n, S, S, C) by the boxes of the true points, and their matrices (n, 2, 3)."""
    matrices = evaluation_matrices(faces, sampler)
    return _cut(faces, matrices, sampler), matrices


def evaluate(
    predict: Predict,
    faces: Faces,
    sampler: CropSampler,
    batch: int = 64,
    conventions: ConventionOffsets | None = None,
) -> Evaluation:
    """Evaluates a network in crops by the boxes of the true points.

    With `conventions`, the points of each data set are placed as its own annotators do.
    """
    matrices = evaluation_matrices(faces, sampler)
    points = _place(predict, faces, matrices, sampler, batch)
    for name, offsets in (conventions or {}).items():
        rows = np.flatnonzero(np.array(faces.sets) == name)
        sides = 1 / np.linalg.norm(matrices[rows][:, :, 0], axis=1)
        points[rows] += offsets * (sampler.size * sides[:, None, None]).astype(np.float32)
    return Evaluation.of(points, faces)


def evaluate_detected(
    predict: Predict,
    faces: Faces,
    sampler: CropSampler,
    detector: Detector,
    batch: int = 64,
    refine: bool = True,
) -> Evaluation:
    """Evaluates a network in a detector's boxes, on the faces that it detects.

    With `refine`, points are placed again in their own box, as in the pipeline. Raises
    DetectorError if no face is detected, and for schemes for which the detector has no rule.
    """
    if sampler.scheme != IBUG68:
        why = f"its boxes are known for ibug68, not for {sampler.scheme.name}"
        raise DetectorError(_name(detector), why, "measure in the points' boxes")
    pairs = zip(faces.images, faces.points, strict=True)
    best = [best_box(detector, image, points) for image, points in pairs]
    rows = [row for row, box in enumerate(best) if box is not None]
    if not rows:
        why = "it finds none of these faces"
        raise DetectorError(_name(detector), why, "measure in the points' boxes")
    boxes = np.array([best[row] for row in rows], dtype=np.float32)
    detected, rule = faces.rows(rows), sampler.config.rule()

    def place(squares: Floats) -> Floats:
        matrices = crop_matrices(squares, rule, sampler.size)
        return _place(predict, detected, matrices, sampler, batch)

    points = place(derived_boxes(boxes, detector.rule))
    return Evaluation.of(place(points_box(points)) if refine else points, detected)


def _name(detector: Detector) -> str:
    return type(detector).__name__.removesuffix("Detector").lower()


def best_box(detector: Detector, image: Pixels, points: Floats) -> Floats | None:
    """Returns the best detection (4,) of an image's annotated face, or None."""
    boxes = detector(bgr_image(image)).boxes
    hits = boxes[is_face(boxes, points)]
    return hits[0] if len(hits) else None


def is_face(boxes: Floats, points: Floats, smallest: float = 0.5) -> NDArray[np.bool_]:
    """Selects the boxes (n, 4) that fit a face's points (k, 2) in position and size.

    The points' centre is inside, and they span at least `smallest` of the box's longer side.
    """
    centre, extent = points.mean(axis=0), np.ptp(points, axis=0).max()
    inside = (boxes[:, :2] < centre) & (centre < boxes[:, 2:])
    ratio = extent / (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return np.asarray(inside.all(axis=1) & (ratio > smallest) & (ratio < _MAX_FACE_RATIO))


def _cut(faces: Faces, matrices: Matrix, sampler: CropSampler) -> Pixels:
    pairs = zip(faces.images, matrices, strict=True)
    return np.stack([sampler.cut(image, matrix) for image, matrix in pairs])


def _place(
    predict: Predict, faces: Faces, matrices: Matrix, sampler: CropSampler, batch: int
) -> Floats:
    """Returns points (n, k, 2) in image pixels, from the crops of matrices (n, 2, 3)."""
    crops = _cut(faces, matrices, sampler)
    return transform(predict_all(predict, crops, batch).points, invert(matrices))


def seed_mse(points: Floats, faces: Faces) -> float:
    """Returns the original program's metric: mean of ((px - 100) / 50)² against the truth.

    Pixels are those of the central 224 crop of the image with its shorter side resized to 250.
    """
    windows = np.array(
        [window_matrix(image, SEED_RESIZE, SEED_SIZE, 0.5, 0.5) for image in faces.images]
    )
    true, predicted = transform(faces.points, windows), transform(points, windows)
    squares = ((predicted - true) / _SEED_UNIT) ** 2
    return float(np.mean(squares if faces.labelled is None else squares[faces.labelled]))
