"""Fits a detector's box rule and confidence to training images.

`python -m fkd_train.evaluation.calibration --data DIR`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.detectors import DetectorChoice, detector_model_option
from fkd_infer.detection.base import Detector, SizedDetector
from fkd_infer.detection.haar import HaarDetector
from fkd_infer.detection.registry import HAAR, SEARCHING, DetectorRequest, find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError, ModelFileNotFoundError
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.rules import BoxRule
from fkd_train.data.dataset import DataFolders, read_faces
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import is_face

_log = logging.getLogger(__name__)

_RULE_FACES, _MIN_DETECTED = 400, 10
"""Faces that a scheme's rule is fitted to, and how many of them must be detected."""
_RULE_DETECTORS = ("fkd", "haar")
"""Detectors with a rule for every scheme, if they are installed."""
_MIN_SPAN = 0.15
"""A custom scheme's points may span a small part of the face."""


def fit_rule(boxes: NDArray[np.float32], points: NDArray[np.float32]) -> BoxRule:
    """Fits the rule from boxes (n, 4) to the tight boxes of points (n, k, 2), by least squares."""
    centres, sides = apply_rule(boxes, BoxRule(1.0))
    true_centres, true_sides = apply_rule(points_box(points), BoxRule(1.0))
    # Relative to each box, so that large faces do not outweigh small ones.
    scale = float(np.mean(true_sides / sides))
    x, y = np.mean((true_centres - centres) / sides[:, None], axis=0)
    return BoxRule(round(scale, 4), (round(float(x), 4), round(float(y), 4)))


def fit_logistic(values: NDArray[np.float64], truths: NDArray[np.bool_]) -> tuple[float, float]:
    """Fits the probability of truth given a value, by maximum likelihood (Newton).

    Returns the slope and intercept of the logit.
    """
    design = np.column_stack([values, np.ones_like(values)])
    weights = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(np.clip(-design @ weights, -500, 500)))
        slope = design.T @ (truths - probability)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        weights += np.linalg.solve(curvature + 1e-6 * np.eye(2), slope)
    return float(weights[0]), float(weights[1])


def open_detector(name: str, model: Path | None = None) -> Detector:
    """Opens a detector with its settings for photos; raises DetectorError."""
    spec = find_detector(name)
    search = Search(spec.search_sizes.photos)
    return spec.build(DetectorRequest(search, model=model, provider="cpu"))


def open_sized_detector(name: str, model: Path | None = None) -> SizedDetector:
    """Opens a detector whose search can be changed; raises DetectorError for others."""
    detector = open_detector(name, model)
    if not isinstance(detector, SizedDetector):
        raise DetectorError(name, "it is no SizedDetector, so its search cannot be changed")
    return detector


@dataclass
class CalibrationBoxes:
    """Boxes of faces and their points; of all boxes, the weights and whether they fit a face."""

    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)


def collect_boxes(faces: Faces, detector: Detector, smallest: float = 0.5) -> CalibrationBoxes:
    """Detects all faces; `smallest` as in is_face.

    Weights are the cascade's own, and scores of other detectors.
    """
    collected = CalibrationBoxes()
    for image, points in zip(faces.images, faces.points, strict=True):
        if isinstance(detector, HaarDetector):
            boxes, weights = detector.detect_weights(image)
        else:
            detections = detector(image)
            boxes, weights = detections.boxes, detections.scores.astype(np.float64)
        hits = is_face(boxes, points, smallest)
        collected.weights += weights.tolist()
        collected.correct += hits.tolist()
        if hits.any():
            collected.boxes.append(boxes[hits][0])
            collected.points.append(points)
    return collected


def scheme_rules(faces: Faces) -> dict[str, BoxRule]:
    """Fits rules from detectors' boxes to the boxes of a scheme's points, by detector, to faces of
    which all points are labelled.

    Detectors that are not installed, or detect few faces, have no rule.
    """
    faces = faces.fully_labelled()
    rows = np.linspace(0, len(faces) - 1, min(_RULE_FACES, len(faces))).astype(int)
    sample = faces.rows(rows.tolist())
    rules: dict[str, BoxRule] = {}
    for name in _RULE_DETECTORS:
        try:
            detector = open_detector(name)
        except (DetectorError, ModelFileNotFoundError) as error:
            _log.warning("no rule for the boxes of %s: %s", name, error)
            continue
        collected = collect_boxes(sample, detector, smallest=_MIN_SPAN)
        if len(collected.boxes) >= _MIN_DETECTED:
            rules[name] = fit_rule(np.array(collected.boxes), np.array(collected.points))
    return rules


@click.command(cls=FkdCommand)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set folder.")
@click.option(
    "--detector",
    type=DetectorChoice(SEARCHING),
    default=HAAR.name,
    show_default=True,
    help="Detector to calibrate.",
)
@detector_model_option
def main(data: DataFolders, detector: str, detector_model: Path | None) -> None:
    """Print the constants of a detector, fitted to the training images."""
    faces = read_faces(data, "training", colour=True).fully_labelled()
    collected = collect_boxes(faces, open_detector(detector, detector_model))
    correct = np.array(collected.correct)
    rule = fit_rule(np.array(collected.boxes), np.array(collected.points))
    detected, other = len(collected.boxes), int((~correct).sum())
    click.echo(f"found {detected} of {len(faces)} faces, {other} other boxes")
    click.echo(f"rule: {rule}")
    if detector == HAAR.name:
        slope, intercept = fit_logistic(np.array(collected.weights), correct)
        click.echo(f"confidence: slope {slope:.4f}, intercept {intercept:.4f}")


if __name__ == "__main__":
    main()
