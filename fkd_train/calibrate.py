"""A detector's constants, fitted on training images: `python -m fkd_train.calibrate --data DIR`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.commands import FkdCommand
from fkd_infer.crop import BoxRule, apply_rule, points_box
from fkd_infer.detect import HaarDetector
from fkd_train.data import Faces, read_faces
from fkd_train.evaluate import is_face


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
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (truths - chance)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        weights += np.linalg.solve(curvature + 1e-6 * np.eye(2), slope)
    return float(weights[0]), float(weights[1])


_ENOUGH, _FEWEST = 400, 10
"""Faces that a rule of its own is fitted on, and how many of them must be found."""


@dataclass
class Collected:
    """Right boxes with the points in them, and every box's weight with whether it is right."""

    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)


def collect(faces: Faces, smallest: float = 0.5) -> Collected:
    """Runs the detector on all faces; `smallest` as in is_face."""
    detector, collected = HaarDetector(), Collected()
    for image, points in zip(faces.images, faces.points, strict=True):
        boxes, weights = detector.search(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)))
        hits = is_face(boxes, points, smallest)
        collected.weights += weights.tolist()
        collected.right += hits.tolist()
        if hits.any():
            collected.boxes.append(boxes[hits][0])
            collected.points.append(points)
    return collected


def haar_rule(faces: Faces) -> BoxRule | None:
    """The rule from Haar's boxes to the points' boxes of any scheme; None where it finds few."""
    spread = np.linspace(0, len(faces) - 1, min(_ENOUGH, len(faces))).astype(int)
    # Points of one's own may span a small part of the face.
    found = collect(faces.rows(spread.tolist()), smallest=0.15)
    if len(found.boxes) < _FEWEST:
        return None
    return fit_rule(np.array(found.boxes), np.array(found.points))


@click.command(cls=FkdCommand)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set folder.")
def main(data: Path) -> None:
    """Print the constants of the Haar detector, fitted on the training images."""
    faces = read_faces(data, "training")
    found = collect(faces)
    right = np.array(found.right)
    slope, intercept = fit_logistic(np.array(found.weights), right)
    rule = fit_rule(np.array(found.boxes), np.array(found.points))
    click.echo(f"found {len(found.boxes)} of {len(faces)} faces, {int((~right).sum())} other boxes")
    click.echo(f"rule: {rule}")
    click.echo(f"confidence: slope {slope:.4f}, intercept {intercept:.4f}")


if __name__ == "__main__":
    main()
