"""Detection metrics: recall, precision, false positives and average precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import derived_boxes
from fkd_infer.geometry.nms import coverage, iou
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections
from fkd_train.ground_truth import FACE, GroundTruth

Detect = Callable[[Pixels], Detections]
MIN_IOU = 0.5
"""Smallest IoU of a box that matches a face."""


@dataclass(frozen=True)
class Matches:
    """Detections on `image_count` images, matched with the true faces.

    `scores` (b,) and `correct` (b,) are of the boxes, without those on ignored regions;
    `face_scores` (f,) are the scores of the boxes that match each face, NaN for a missed face.
    """

    scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    face_scores: NDArray[np.float64]
    image_count: int

    def threshold(self, false_per_image: float) -> float:
        """Returns the lowest score threshold with at most this many false positives per image."""
        allowed = int(false_per_image * self.image_count + 1e-9)
        wrong = np.sort(self.scores[~self.correct])[::-1]
        return float(np.nextafter(wrong[allowed], np.inf)) if len(wrong) > allowed else 0.0

    def recall(self, threshold: float) -> float:
        """Returns the share of faces detected with at least this score; NaN without faces."""
        return float(np.mean(self.face_scores >= threshold)) if len(self.face_scores) else np.nan

    def false_per_image(self, threshold: float) -> float:
        """Returns the false positives per image with at least this score."""
        wrong = np.sum(~self.correct & (self.scores >= threshold))
        return float(wrong) / max(1, self.image_count)

    def precision(self, threshold: float) -> float:
        """Returns the share of correct boxes with at least this score; NaN without boxes."""
        correct = self.correct[self.scores >= threshold]
        return float(correct.mean()) if len(correct) else np.nan

    def average_precision(self) -> float:
        """Returns the area under the precision-recall curve, at all points."""
        order = np.argsort(-self.scores, kind="stable")
        correct = self.correct[order]
        precision = np.cumsum(correct) / np.arange(1, len(correct) + 1)
        # Precision at a recall is the best at this or any higher recall.
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float((envelope * correct).sum() / max(1, len(self.face_scores)))


def match(
    detections: Sequence[Detections],
    truths: Sequence[GroundTruth],
    rule: BoxRule,
    sizes: tuple[float, float] = (0.0, np.inf),
) -> Matches:
    """Matches each image's boxes, best first, with the free face of highest IoU.

    Boxes are compared as squares around the points, from which crops are cut: `rule` maps the
    detector's boxes to them. Of false positives, only those with a side within `sizes`, in pixels,
    count.
    """
    scores: list[float] = []
    correct: list[bool] = []
    face_scores: list[float] = []
    for found, truth in zip(detections, truths, strict=True):
        squares = _squares(found.boxes, rule)
        face_scores += _match_image(found, squares, truth, sizes, scores, correct)
    return Matches(np.array(scores), np.array(correct, bool), np.array(face_scores), len(truths))


def _match_image(
    detections: Detections,
    squares: Floats,
    truth: GroundTruth,
    sizes: tuple[float, float],
    scores: list[float],
    correct: list[bool],
) -> list[float]:
    """Appends each box of an image to `scores` and `correct`; returns the score of each face."""
    faces = truth.kinds == FACE
    overlap = iou(squares, _squares(truth.boxes, BoxRule(1.0)))
    sides = squares[:, 2] - squares[:, 0]
    covered = coverage(detections.boxes, truth.boxes)
    face_scores = np.full(len(truth), np.nan)
    for row in np.argsort(-detections.scores, kind="stable").tolist():
        free = np.where(np.isnan(face_scores) & faces, overlap[row], 0)
        score = float(detections.scores[row])
        if len(free) and free.max() >= MIN_IOU:
            face_scores[int(free.argmax())] = score
            scores.append(score)
            correct.append(True)
        elif sizes[0] <= sides[row] < sizes[1] and not (covered[row, ~faces] >= MIN_IOU).any():
            scores.append(score)
            correct.append(False)
    return [float(score) for score in face_scores[faces]]


def _squares(boxes: Floats, rule: BoxRule) -> Floats:
    return derived_boxes(boxes.reshape(-1, 4), rule)
