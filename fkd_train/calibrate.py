"""A detector's constants, fitted on training images: `python -m fkd_train.calibrate --data DIR`."""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.crop import BoxRule, apply_rule, points_box
from fkd_infer.detect import HaarDetector
from fkd_infer.types import Detections
from fkd_train.data import Faces, read_faces

Floats = NDArray[np.float64]


def is_face(found: Detections, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes (n,) hold the annotated face: its centre inside, and of about its size."""
    centre, extent = points.mean(axis=0), np.ptp(points, axis=0).max()
    inside = (found.boxes[:, :2] < centre) & (centre < found.boxes[:, 2:])
    ratio = extent / (found.boxes[:, 2] - found.boxes[:, 0])
    return np.asarray(inside.all(axis=1) & (ratio > 0.5) & (ratio < 1.3))


def fit_rule(boxes: NDArray[np.float32], points: NDArray[np.float32]) -> BoxRule:
    """Least squares rule from boxes (n, 4) to the tight boxes of points (n, k, 2)."""
    centres, sides = apply_rule(boxes, BoxRule(1.0))
    wanted_centres, wanted_sides = apply_rule(points_box(points), BoxRule(1.0))
    # Relative to each box, so that large faces do not outweigh small ones.
    scale = float(np.mean(wanted_sides / sides))
    x, y = np.mean((wanted_centres - centres) / sides[:, None], axis=0)
    return BoxRule(round(scale, 4), (round(float(x), 4), round(float(y), 4)))


def fit_logistic(values: Floats, truths: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the chance of truth given a value (maximum likelihood, Newton)."""
    design = np.column_stack([values, np.ones_like(values)])
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (truths - chance)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        weights += np.linalg.solve(curvature + 1e-6 * np.eye(2), slope)
    return float(weights[0]), float(weights[1])


def collect(
    faces: Faces,
) -> tuple[NDArray[np.float32], NDArray[np.float32], Floats, NDArray[np.bool_]]:
    """The right boxes with their points, and every box's confidence with whether it is right."""
    detector = HaarDetector()
    boxes, points, scores, right = [], [], [], []
    for image, annotated in zip(faces.images, faces.points, strict=True):
        found = detector(np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), dtype=np.uint8))
        hits = is_face(found, annotated)
        scores.append(found.scores)
        right.append(hits)
        if hits.any():
            boxes.append(found.boxes[hits][0])
            points.append(annotated)
    return (
        np.array(boxes),
        np.array(points),
        np.concatenate(scores).astype(np.float64),
        np.concatenate(right),
    )


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data set folder.")
def main(data: Path) -> None:
    """Print the constants of the Haar detector, fitted on the training images."""
    faces = read_faces(data, "training")
    boxes, points, scores, right = collect(faces)
    slope, intercept = fit_logistic(scores, right)
    click.echo(f"found {len(boxes)} of {len(faces)} faces, {int((~right).sum())} other boxes")
    click.echo(f"rule {fit_rule(boxes, points)}; logistic {slope:.4f} {intercept:.4f}")


if __name__ == "__main__":
    main()
