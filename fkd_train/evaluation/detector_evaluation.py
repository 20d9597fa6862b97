"""The pictures on which a detector is evaluated during training."""

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
from fkd_train.evaluation.detection_metrics import Find, Matched, match
from fkd_train.evaluation.metrics import EpochMetrics
from fkd_train.ground_truth import GroundTruth
from fkd_train.models.detector import DetectorNet

FLOOR = 0.02
"""Lowest score of a box that is looked at when the network is judged."""


LIMIT = 0.45
"""IoU of two boxes above which they are of one face."""


FALSE_PER_IMAGE = 0.01
"""False boxes an image that recall is measured at."""


EVALUATION_PICTURES = ("chelsea", "coffee", "hubble_deep_field", "retina", "rocket")
"""Pictures of scikit-image that mosaics for judging are made with, and no others."""


_JUDGING = 1 << 31
"""Begins the seeds of mosaics for judging: no training begins with it."""


_TOGETHER = 8
"""Images that a torch network searches at once."""


FindAll = Callable[[Sequence[Pixels]], list[Detections]]


def evaluation_mosaics(recipe: DetectorRecipe, faces: Faces) -> MosaicGenerator:
    """The same for a recipe's evaluation faces, with pictures that no recipe trains on."""
    part = "test" if recipe.split == "official" else "training"
    pictures = EVALUATION_PICTURES if recipe.mosaic.pictures else ()
    return mosaic_generator(recipe, faces, part, pictures)


def evaluation_sets(recipe: DetectorRecipe, faces: Faces) -> dict[str, EvaluationSet]:
    """What a recipe's detector is judged on: mosaics of its evaluation faces, and their images."""
    maker = evaluation_mosaics(recipe, faces)
    photos = photo_evaluation_set(faces, dict(maker.others))
    return {"mosaics": mosaic_evaluation_set(maker, recipe.mosaic.validation), "images": photos}


@dataclass(frozen=True)
class EvaluationSet:
    """Faces that a detector is judged on: images (H, W, 3), and what is to be found."""

    images: list[Pixels]
    truths: list[GroundTruth]

    def __call__(self, find: FindAll) -> Matched:
        """How a detector with boxes around the points does."""
        return match(find(self.images), self.truths, POINTS_BOX)


def mosaic_evaluation_set(maker: MosaicGenerator, count: int) -> EvaluationSet:
    """Mosaics that are always the same."""
    drawn = [maker(np.random.default_rng([_JUDGING, number])) for number in range(count)]
    return EvaluationSet([image for image, _ in drawn], [truth for _, truth in drawn])


def photo_evaluation_set(faces: Faces, others: dict[str, Floats]) -> EvaluationSet:
    """Images as they are, but for a black margin that leaves few sizes: torch prepares anew for
    each, which takes longer than to search it."""
    rows = zip(faces.names, faces.points, strict=True)
    truths = [GroundTruth.of(points[None], others.get(name)) for name, points in rows]
    return EvaluationSet([_with_margin(image, 256) for image in faces.images], truths)


def _with_margin(image: Pixels, step: int) -> Pixels:
    """An image at the top left of a black one, whose sides are multiples of `step`."""
    margins = [(0, -length % step) for length in image.shape[:2]]
    return np.pad(image, [*margins, (0, 0)])


def one_by_one(find: Find) -> FindAll:
    """A detector of single images, for many."""
    return lambda images: [find(image) for image in images]


def torch_find(network: DetectorNet, device: torch.device | str = "cpu") -> FindAll:
    """A detector of a torch network, in its evaluation mode; its mode stays as it was. Images of
    one size go together."""

    def find(images: Sequence[Pixels]) -> list[Detections]:
        was_training = network.training
        network.eval()
        found: dict[int, Detections] = {}
        for rows in _batches([image.shape for image in images]):
            together = torch.from_numpy(np.stack([images[row] for row in rows])).to(device)
            with torch.inference_mode():
                said = network.search_multiscale(together)
            parts = (said.boxes, said.logits.sigmoid(), said.points)
            arrays = [part.cpu().numpy() for part in parts]
            for number, row in enumerate(rows):
                found[row] = suppressed(*(array[number] for array in arrays))
        network.train(was_training)
        return [found[row] for row in range(len(images))]

    return find


def _batches(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Rows of images of one shape, a few at a time."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(row)
    for rows in alike.values():
        yield from (rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER))


def suppressed(boxes: Floats, scores: Floats, points: Floats) -> Detections:
    """What all cells say of an image, (A, 4), (A,) and (A, 5, 2), as the detector answers it."""
    rows = np.flatnonzero(scores >= FLOOR)
    kept = rows[suppress(boxes[rows], scores[rows], LIMIT)]
    return Detections(boxes[kept], scores[kept], points[kept])


def evaluate_detector(find: FindAll, judged: Mapping[str, EvaluationSet]) -> EpochMetrics:
    """What the log says of an epoch; the error is the share of precision and recall on mosaics that
    is missing."""
    drawn, plain = judged["mosaics"](find), judged["images"](find)
    threshold = drawn.threshold(FALSE_PER_IMAGE)
    row = {
        "mosaic_ap": drawn.average_precision(),
        "mosaic_recall": drawn.recall(threshold),
        "photo_recall": plain.recall(plain.threshold(FALSE_PER_IMAGE)),
        "photo_recall_at_half": plain.recall(0.5),
        "photo_false_at_half": plain.false_per_image(0.5),
    }
    return EpochMetrics(row, 1 - row["mosaic_ap"])
