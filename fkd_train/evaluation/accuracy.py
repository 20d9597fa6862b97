"""How well a network places points: the same protocol for a checkpoint and an exported file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fkd_infer.detection.base import Detector
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image
from fkd_infer.geometry.boxes import apply_rule, points_box, square_boxes
from fkd_infer.geometry.crop import crop_matrices
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import CropProtocol
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler, window_matrix
from fkd_train.data.faces import Faces
from fkd_train.evaluation.metrics import Accuracy, Array, accuracy, point_errors
from fkd_train.models.landmarks import LandmarkNet

Predict = Callable[[Pixels], Prediction]
"""Crops (N, S, S, C) uint8 → points (N, n, 2), crop pixels, and perhaps scores (N,)."""

SEED_RESIZE, SEED_SIZE, SEED_UNIT = 250, 224, 50


@dataclass(frozen=True)
class Evaluation:
    """Figures of a network on faces, and its points (n, k, 2) in image pixels."""

    accuracy: Accuracy
    seed_mse: float
    points: Floats
    faces: Faces

    @classmethod
    def of(cls, points: Floats, faces: Faces) -> Evaluation:
        """Points (n, k, 2) measured against those of the faces."""
        figures = accuracy(points, faces.points, faces.scheme)
        return cls(figures, seed_mse(points, faces), points, faces)

    @property
    def errors(self) -> Array:
        """Error (n, k) of each point, in percent of the interocular distance."""
        return point_errors(self.points, self.faces.points, self.faces.scheme)

    @property
    def face_errors(self) -> Array:
        """NME (n,) of each face, in percent."""
        mean: Array = self.errors.mean(axis=1)
        return mean

    def figures(self) -> dict[str, object]:
        """The figures as plain data."""
        return {**asdict(self.accuracy), "seed_mse": self.seed_mse}


def torch_predict(network: LandmarkNet, device: torch.device | str = "cpu") -> Predict:
    """Runs a torch network in its evaluation mode, and leaves its mode as it was."""

    def predict(crops: Pixels) -> Prediction:
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            found = network(torch.from_numpy(crops).to(device))
        network.train(was_training)
        points, *scores = (part.cpu().numpy() for part in found)
        return Prediction(points, scores[0] if scores else None)

    return predict


def open_model(model: Path, crop: CropProtocol = "model") -> tuple[Predict, CropSampler]:
    """An ONNX file, a checkpoint or a run folder as a function, with the crops that it takes.

    `crop` "image" cuts the seed protocol's central window instead of the model's own crop.
    """
    if model.suffix == ".onnx":
        session = LandmarkSession(model, "cpu")
        card = session.card
        config = CropConfig(card.crop.scale, "points", card.crop.shift, card.crop.border)
        predict: Predict = session.run
        sampler = CropSampler(card.input.size, card.input.channels, config, card.landmarks)
    else:
        network, recipe, _ = load_landmark_network(find_checkpoint(model, "last"))
        predict = torch_predict(network)
        sampler = CropSampler.of(recipe)
    if crop == "image":
        # The window scales with the input, so that smaller networks see the same part.
        resize = round(SEED_RESIZE * sampler.size / SEED_SIZE)
        config = replace(sampler.config, reference="image", resize=resize)
        sampler = replace(sampler, config=config)
    return predict, sampler


def evaluation_matrices(faces: Faces, sampler: CropSampler) -> Matrix:
    """Crops (n, 2, 3) by the points' own boxes."""
    pairs = zip(faces.images, faces.points, strict=True)
    return np.array([sampler.matrix(image, points) for image, points in pairs])


def evaluation_crops(faces: Faces, sampler: CropSampler) -> tuple[Pixels, Matrix]:
    """Inputs (n, S, S, C) and their matrices (n, 2, 3), by the points' own boxes."""
    matrices = evaluation_matrices(faces, sampler)
    return _cut(faces, matrices, sampler), matrices


def evaluate(predict: Predict, faces: Faces, sampler: CropSampler, batch: int = 64) -> Evaluation:
    """Predicts all faces and measures the points in image pixels."""
    points = _place(predict, faces, evaluation_matrices(faces, sampler), sampler, batch)
    return Evaluation.of(points, faces)


def evaluate_detected(
    predict: Predict,
    faces: Faces,
    sampler: CropSampler,
    detector: Detector,
    batch: int = 64,
    refine: bool = True,
) -> Evaluation:
    """The same in boxes of a detector, on the faces that it finds.

    With `refine`, again in the boxes of the points that were placed, as the runtime does it.

    Raises DetectorError where it finds none, and for points that its boxes are not known for.
    """
    if sampler.scheme != IBUG68:
        why = f"its boxes are known for ibug68, not for {sampler.scheme.name}"
        raise DetectorError(_name(detector), why, "measure in the points' boxes")
    found = [best_box(detector, i, p) for i, p in zip(faces.images, faces.points, strict=True)]
    rows = [row for row, box in enumerate(found) if box is not None]
    if not rows:
        why = "it finds none of these faces"
        raise DetectorError(_name(detector), why, "measure in the points' boxes")
    boxes = np.array([found[row] for row in rows], dtype=np.float32)
    chosen, rule = faces.rows(rows), sampler.config.rule()

    def place(tight: Floats) -> Floats:
        return _place(predict, chosen, crop_matrices(tight, rule, sampler.size), sampler, batch)

    points = place(square_boxes(*apply_rule(boxes, detector.rule)))
    return Evaluation.of(place(points_box(points)) if refine else points, chosen)


def _name(detector: Detector) -> str:
    return type(detector).__name__.removesuffix("Detector").lower()


def best_box(detector: Detector, image: Pixels, points: Floats) -> Floats | None:
    """The best box (4,) that holds the annotated face of an image; None where none does."""
    boxes = detector(bgr_image(image)).boxes
    hits = boxes[is_face(boxes, points)]
    return hits[0] if len(hits) else None


def is_face(boxes: Floats, points: Floats, smallest: float = 0.5) -> NDArray[np.bool_]:
    """Which boxes (n, 4) hold a face of points (k, 2): its centre inside, and of about its size.

    `smallest` is the least share of the box's longer side that the points may span.
    """
    centre, extent = points.mean(axis=0), np.ptp(points, axis=0).max()
    inside = (boxes[:, :2] < centre) & (centre < boxes[:, 2:])
    ratio = extent / (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return np.asarray(inside.all(axis=1) & (ratio > smallest) & (ratio < 1.3))


def _cut(faces: Faces, matrices: Matrix, sampler: CropSampler) -> Pixels:
    return np.stack([sampler.cut(i, m) for i, m in zip(faces.images, matrices, strict=True)])


def _place(
    predict: Predict, faces: Faces, matrices: Matrix, sampler: CropSampler, batch: int
) -> Floats:
    """Points (n, k, 2) in image pixels, by the crops of the matrices (n, 2, 3)."""
    crops = _cut(faces, matrices, sampler)
    return transform(predict_all(predict, crops, batch).points, invert(matrices))


def predict_all(predict: Predict, crops: Pixels, batch: int = 64) -> Prediction:
    """Predictions for any number of crops, a batch at a time."""
    return joined([predict(crops[start : start + batch]) for start in range(0, len(crops), batch)])


def joined(parts: Sequence[Prediction]) -> Prediction:
    """The predictions of successive batches as one."""
    scores = [part.scores for part in parts if part.scores is not None]
    points = np.concatenate([part.points for part in parts])
    return Prediction(points, np.concatenate(scores) if scores else None)


def seed_mse(points: Floats, faces: Faces) -> float:
    """The original program's figure: mean of ((px - 100) / 50)² between prediction and truth,
    in pixels of the central 224 crop of the image with its shorter side at 250."""
    windows = np.array(
        [window_matrix(image, SEED_RESIZE, SEED_SIZE, 0.5, 0.5) for image in faces.images]
    )
    true, predicted = transform(faces.points, windows), transform(points, windows)
    return float(np.mean(((predicted - true) / SEED_UNIT) ** 2))
