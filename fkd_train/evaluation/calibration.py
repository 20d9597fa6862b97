"""Fits a detector's box rule and confidence on training images.

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
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import is_face

_log = logging.getLogger(__name__)


def fit_rule(boxes: NDArray[np.float32], points: NDArray[np.float32]) -> BoxRule:
    """Least squares rule from boxes (n, 4) to the tight boxes of points (n, k, 2)."""
    centres, sides = apply_rule(boxes, BoxRule(1.0))
    wanted_centres, wanted_sides = apply_rule(points_box(points), BoxRule(1.0))
    # Relative to each box, so that large faces do not outweigh small ones.
    scale = float(np.mean(wanted_sides / sides))
    x, y = np.mean((wanted_centres - centres) / sides[:, None], axis=0)
    return BoxRule(round(scale, 4), (round(float(x), 4), round(float(y), 4)))


def fit_logistic(values: NDArray[np.float64], truths: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the chance of truth given a value (maximum likelihood, Newton)."""
    design = np.column_stack([values, np.ones_like(values)])
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(np.clip(-design @ weights, -500, 500)))
        slope = design.T @ (truths - chance)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        weights += np.linalg.solve(curvature + 1e-6 * np.eye(2), slope)
    return float(weights[0]), float(weights[1])


_ENOUGH, _FEWEST = 400, 10
"""Faces that a rule of its own is fitted on, and how many of them must be found."""
_CALIBRATED = ("fkd", "haar")
"""Detectors that a network with points of its own gets rules for, where they are there."""


def open_detector(name: str, model: Path | None = None) -> Detector:
    """A detector that searches photos, with its rule to the 68 points; raises DetectorError."""
    spec = find_detector(name)
    search = Search(spec.search_sizes.photos)
    return spec.build(DetectorRequest(search, model=model, provider="cpu"))


def open_sized_detector(name: str, model: Path | None = None) -> SizedDetector:
    """The same for a detector whose search can be changed; raises DetectorError for others."""
    detector = open_detector(name, model)
    if not isinstance(detector, SizedDetector):
        raise DetectorError(name, "it is no SizedDetector, so its search cannot be changed")
    return detector


@dataclass
class Collected:
    """Right boxes with the points in them, and every box's weight with whether it is right."""

    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)


def collect(faces: Faces, detector: Detector, smallest: float = 0.5) -> Collected:
    """Runs a detector on all faces; `smallest` as in is_face. A cascade's weights are its own, any
    other's are scores."""
    collected = Collected()
    for image, points in zip(faces.images, faces.points, strict=True):
        if isinstance(detector, HaarDetector):
            boxes, weights = detector.detect_weights(image)
        else:
            found = detector(image)
            boxes, weights = found.boxes, found.scores.astype(np.float64)
        hits = is_face(boxes, points, smallest)
        collected.weights += weights.tolist()
        collected.right += hits.tolist()
        if hits.any():
            collected.boxes.append(boxes[hits][0])
            collected.points.append(points)
    return collected


def scheme_rules(faces: Faces) -> dict[str, BoxRule]:
    """The rules from detectors' boxes to the points' boxes of any scheme, by the detector's name;
    without those that find few faces, or are not there."""
    spread = np.linspace(0, len(faces) - 1, min(_ENOUGH, len(faces))).astype(int)
    rules: dict[str, BoxRule] = {}
    for kind in _CALIBRATED:
        try:
            detector = open_detector(kind)
        except (DetectorError, ModelFileNotFoundError) as error:
            _log.warning("no rule for its boxes: %s", error)
            continue
        # Points of one's own may span a small part of the face.
        found = collect(faces.rows(spread.tolist()), detector, smallest=0.15)
        if len(found.boxes) >= _FEWEST:
            rules[kind] = fit_rule(np.array(found.boxes), np.array(found.points))
    return rules


@click.command(cls=FkdCommand)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set folder.")
@click.option(
    "--detector",
    type=DetectorChoice(SEARCHING),
    default=HAAR.name,
    show_default=True,
    help="Whose boxes.",
)
@detector_model_option
def main(data: Path, detector: str, detector_model: Path | None) -> None:
    """Print the constants of a detector, fitted on the training images."""
    faces = read_faces(data, "training", colour=True)
    found = collect(faces, open_detector(detector, detector_model))
    right = np.array(found.right)
    rule = fit_rule(np.array(found.boxes), np.array(found.points))
    click.echo(f"found {len(found.boxes)} of {len(faces)} faces, {int((~right).sum())} other boxes")
    click.echo(f"rule: {rule}")
    if detector == HAAR.name:
        slope, intercept = fit_logistic(np.array(found.weights), right)
        click.echo(f"confidence: slope {slope:.4f}, intercept {intercept:.4f}")


if __name__ == "__main__":
    main()
