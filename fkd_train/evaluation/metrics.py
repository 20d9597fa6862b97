"""Landmark metrics: NME, failure rate, CED and the area under it; ROC AUC. Needs only numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fkd_infer.landmarks.schemes import LandmarkScheme

Array = NDArray[np.floating]


def interocular(points: Array, scheme: LandmarkScheme) -> Array:
    """Returns the distance (n,) between the outer eye corners of points (n, k, 2)."""
    left, right = scheme.outer_eye_corners
    distance: Array = np.linalg.norm(points[:, left] - points[:, right], axis=-1)
    return distance


def point_errors(predicted: Array, true: Array, scheme: LandmarkScheme) -> Array:
    """Returns the error (n, k) of each point, in percent of the true interocular distance."""
    distance = np.linalg.norm(predicted - true, axis=-1)
    errors: Array = 100 * distance / interocular(true, scheme)[:, None]
    return errors


def nme(predicted: Array, true: Array, scheme: LandmarkScheme) -> Array:
    """Returns the normalised mean error (n,) of each face, in percent (Sagonas et al., 2013)."""
    mean: Array = point_errors(predicted, true, scheme).mean(axis=1)
    return mean


def failure_rate(face_errors: Array, threshold: float) -> float:
    """Returns the share of faces whose NME is above the threshold, in percent."""
    return float(100 * np.mean(face_errors > threshold))


def ced(face_errors: Array, limit: float) -> tuple[Array, Array]:
    """Returns the cumulative error distribution: errors (m + 2,), and shares of faces below."""
    inside = np.sort(face_errors[face_errors <= limit])
    shares = np.arange(1, len(inside) + 1) / len(face_errors)
    last = shares[-1] if len(shares) else 0.0
    return np.concatenate([[0.0], inside, [limit]]), np.concatenate([[0.0], shares, [last]])


def auc(face_errors: Array, limit: float) -> float:
    """Returns the area under the CED up to the limit, relative to the limit, in percent."""
    return float(100 * np.mean(np.clip(1 - face_errors / limit, 0, None)))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Metrics of a network on faces, in percent; errors relative to the interocular distance."""

    count: int
    nme: float
    median: float
    failure_rate_8: float
    failure_rate_10: float
    auc_10: float
    regions: dict[str, float]


def accuracy(predicted: Array, true: Array, scheme: LandmarkScheme) -> Accuracy:
    """Computes all metrics for predicted and true points (n, k, 2) in the same coordinates."""
    errors = point_errors(predicted, true, scheme)
    faces = errors.mean(axis=1)
    regions = {name: float(errors[:, list(group)].mean()) for name, group in scheme.groups.items()}
    return Accuracy(
        count=len(faces),
        nme=float(faces.mean()),
        median=float(np.median(faces)),
        failure_rate_8=failure_rate(faces, 8),
        failure_rate_10=failure_rate(faces, 10),
        auc_10=auc(faces, 10),
        regions=regions,
    )


def roc_auc(positives: Array, negatives: Array) -> float:
    """Returns the area under the ROC curve: the probability that a positive scores higher.

    Equal scores count as half (Hanley & McNeil, Radiology 1982).
    """
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    not_above = np.searchsorted(ordered, positives, side="right")
    return float(np.mean(below + not_above) / (2 * len(negatives)))


class EpochMetrics(NamedTuple):
    """An epoch's evaluation: a row of the log, and the error to minimise."""

    row: dict[str, float]
    error: float


LogRow = dict[str, float]
