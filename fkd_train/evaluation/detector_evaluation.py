"""The images on which detectors are evaluated, and detectors of torch networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.nms import suppress
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.types import Detections
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.faces import Faces
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.mosaic_dataset import mosaic_generator
from fkd_train.evaluation.detection_metrics import Detect, Matches, match
from fkd_train.evaluation.metrics import EpochMetrics
from fkd_train.ground_truth import GroundTruth
from fkd_train.models.detector import DetectorNet

SCORE_FLOOR = 0.02
"""Boxes with a lower score are ignored."""

MAX_IOU = 0.45
"""Two boxes with a higher IoU are of one face."""

FALSE_PER_IMAGE = 0.01
"""False positives per image at which recall is measured."""

EVALUATION_PICTURES = ("chelsea", "coffee", "hubble_deep_field", "retina", "rocket")
"""Pictures of scikit-image in evaluation mosaics; training mosaics have none of them."""

_EVALUATION_SEED = 1 << 31
"""First part of the seeds of evaluation mosaics; training seeds are smaller."""

_BATCH = 8
_MARGIN_STEP = 256

DetectBatch = Callable[[Sequence[Pixels]], list[Detections]]


def evaluation_mosaics(recipe: DetectorRecipe, faces: Faces) -> MosaicGenerator:
    """Generates mosaics of a recipe's evaluation faces, with pictures that no recipe trains on."""
    part = "test" if recipe.split == "official" else "training"
    pictures = EVALUATION_PICTURES if recipe.mosaic.pictures else ()
    return mosaic_generator(recipe, faces, part, pictures)


def evaluation_sets(recipe: DetectorRecipe, faces: Faces) -> dict[str, EvaluationSet]:
    """Builds a recipe's evaluation sets: "mosaics" of its evaluation faces, and their "images"."""
    mosaics = evaluation_mosaics(recipe, faces)
    photos = photo_evaluation_set(faces, dict(mosaics.others))
    return {"mosaics": mosaic_evaluation_set(mosaics, recipe.mosaic.validation), "images": photos}


@dataclass(frozen=True)
class EvaluationSet:
    """Images (H, W, 3) and their true faces."""

    images: list[Pixels]
    truths: list[GroundTruth]

    def __call__(self, detect: DetectBatch) -> Matches:
        """Evaluates a detector whose boxes are around the points."""
        return match(detect(self.images), self.truths, POINTS_BOX)


def mosaic_evaluation_set(mosaics: MosaicGenerator, count: int) -> EvaluationSet:
    """Generates mosaics with fixed seeds."""
    drawn = [mosaics(np.random.default_rng([_EVALUATION_SEED, number])) for number in range(count)]
    return EvaluationSet([image for image, _ in drawn], [truth for _, truth in drawn])


def photo_evaluation_set(faces: Faces, others: dict[str, Floats]) -> EvaluationSet:
    """Pads the images with black to a few common sizes.

    torch prepares anew for each size, which takes longer than the detection.
    """
    rows = zip(faces.names, faces.points, strict=True)
    truths = [GroundTruth.of(points[None], others.get(name)) for name, points in rows]
    return EvaluationSet([_with_margin(image) for image in faces.images], truths)


def _with_margin(image: Pixels) -> Pixels:
    """Pads an image at the right and bottom to multiples of the step."""
    margins = [(0, -length % _MARGIN_STEP) for length in image.shape[:2]]
    return np.pad(image, [*margins, (0, 0)])


def detect_each(detect: Detect) -> DetectBatch:
    """Applies a detector of single images to each of several."""
    return lambda images: [detect(image) for image in images]


def torch_detect(network: DetectorNet, device: torch.device | str = "cpu") -> DetectBatch:
    """Detects with a torch network in evaluation mode, and restores its mode afterwards.

    Images of the same size form batches.
    """

    def detect(images: Sequence[Pixels]) -> list[Detections]:
        was_training = network.training
        network.eval()
        detections: dict[int, Detections] = {}
        for rows in _batches([image.shape for image in images]):
            batch = torch.from_numpy(np.stack([images[row] for row in rows])).to(device)
            with torch.inference_mode():
                candidates = network(batch)
            outputs = (candidates.boxes, candidates.logits.sigmoid(), candidates.points)
            arrays = [output.cpu().numpy() for output in outputs]
            for number, row in enumerate(rows):
                detections[row] = suppress_candidates(*(array[number] for array in arrays))
        network.train(was_training)
        return [detections[row] for row in range(len(images))]

    return detect


def _batches(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Groups rows of the same shape into batches."""
    rows_by_shape: dict[tuple[int, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        rows_by_shape.setdefault(shape, []).append(row)
    for rows in rows_by_shape.values():
        yield from (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def suppress_candidates(boxes: Floats, scores: Floats, points: Floats) -> Detections:
    """Selects the detections among all cells' boxes (A, 4), scores (A,) and points (A, 5, 2)."""
    rows = np.flatnonzero(scores >= SCORE_FLOOR)
    best = rows[suppress(boxes[rows], scores[rows], MAX_IOU)]
    return Detections(boxes[best], scores[best], points[best])


def evaluate_detector(detect: DetectBatch, sets: Mapping[str, EvaluationSet]) -> EpochMetrics:
    """Evaluates an epoch's detector; the error is 1 - average precision on mosaics."""
    mosaics, photos = sets["mosaics"](detect), sets["images"](detect)
    threshold = mosaics.threshold(FALSE_PER_IMAGE)
    row = {
        "mosaic_ap": mosaics.average_precision(),
        "mosaic_recall": mosaics.recall(threshold),
        "photo_recall": photos.recall(photos.threshold(FALSE_PER_IMAGE)),
        "photo_recall_at_half": photos.recall(0.5),
        "photo_false_at_half": photos.false_per_image(0.5),
    }
    return EpochMetrics(row, 1 - row["mosaic_ap"])
