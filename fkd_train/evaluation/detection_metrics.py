"""How well boxes that were found fit faces: recall, false positives, average precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import apply_rule, square_boxes
from fkd_infer.geometry.nms import coverage, iou
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections
from fkd_train.ground_truth import FACE, GroundTruth

Find = Callable[[Pixels], Detections]
OVERLAP = 0.5
"""IoU from which a box is that of a face."""


@dataclass(frozen=True)
class Matched:
    """Boxes on many images against their faces: each box's score (b,) and whether it is a face's
    (b,), without those on what is ignored; and of each face the score that it was found with (f,),
    NaN where it was not. `images` were searched."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    found: NDArray[np.float64]
    images: int

    def threshold(self, false_per_image: float) -> float:
        """The lowest score at which there are no more false boxes an image."""
        allowed = int(false_per_image * self.images + 1e-9)
        wrong = np.sort(self.scores[~self.right])[::-1]
        return float(np.nextafter(wrong[allowed], np.inf)) if len(wrong) > allowed else 0.0

    def recall(self, threshold: float) -> float:
        """Share of the faces that were found with this score or more."""
        return float(np.mean(self.found >= threshold)) if len(self.found) else float("nan")

    def false_per_image(self, threshold: float) -> float:
        """False boxes an image with this score or more."""
        return float(np.sum(~self.right & (self.scores >= threshold))) / max(1, self.images)

    def precision(self, threshold: float) -> float:
        """Share of boxes with this score or more that are faces; NaN where there are none."""
        kept = self.right[self.scores >= threshold]
        return float(kept.mean()) if len(kept) else float("nan")

    def average_precision(self) -> float:
        """Area under precision over recall, at all points."""
        order = np.argsort(-self.scores, kind="stable")
        right = self.right[order]
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        # Precision at a recall is the best that is reached there or further on.
        best = np.maximum.accumulate(precision[::-1])[::-1]
        return float((best * right).sum() / max(1, len(self.found)))


def match(
    found: Sequence[Detections],
    truths: Sequence[GroundTruth],
    rule: BoxRule,
    sizes: tuple[float, float] = (0.0, np.inf),
) -> Matched:
    """Boxes, drawn as `rule` says, against true ones; both as squares about the points, which are
    what a crop is cut by. The best box first takes the face that it fits best. A false box whose
    square's side is not of these `sizes`, in pixels, does not count."""
    scores: list[float] = []
    right: list[bool] = []
    faces: list[float] = []
    for boxes, truth in zip(found, truths, strict=True):
        squares = _squares(boxes.boxes, rule)
        faces += _match_image(boxes, squares, truth, sizes, scores, right)
    return Matched(np.array(scores), np.array(right, bool), np.array(faces), len(truths))


def _match_image(
    found: Detections,
    squares: Floats,
    truth: GroundTruth,
    sizes: tuple[float, float],
    scores: list[float],
    right: list[bool],
) -> list[float]:
    """Notes each box of an image; answers the score of each face."""
    faces = truth.kinds == FACE
    overlap = iou(squares, _squares(truth.boxes, BoxRule(1.0)))
    sides = squares[:, 2] - squares[:, 0]
    covered = coverage(found.boxes, truth.boxes)
    taken = np.full(len(truth), np.nan)
    for row in np.argsort(-found.scores, kind="stable").tolist():
        free = np.where(np.isnan(taken) & faces, overlap[row], 0)
        score = float(found.scores[row])
        if len(free) and free.max() >= OVERLAP:
            taken[int(free.argmax())] = score
            scores.append(score)
            right.append(True)
        elif sizes[0] <= sides[row] < sizes[1] and not (covered[row, ~faces] >= OVERLAP).any():
            scores.append(score)
            right.append(False)
    return [float(score) for score in taken[faces]]


def _squares(boxes: Floats, rule: BoxRule) -> Floats:
    return square_boxes(*apply_rule(boxes.reshape(-1, 4), rule))
