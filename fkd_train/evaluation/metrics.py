"""Landmark metrics: NME, failure rate, CED and the area under it; ROC AUC. Needs only numpy.

Points that are not labelled, where `labelled` (n, k) says so, count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fkd_infer.landmarks.aspect_ratios import INNER_LIPS, LEFT_EYE, RIGHT_EYE
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme

Array = NDArray[np.floating]
Labelled = NDArray[np.bool_] | None
"""Which points (n, k) are labelled; None for all."""
OPENINGS = {"eyelids": (RIGHT_EYE, LEFT_EYE), "inner lips": (INNER_LIPS,)}
"""The closed lines around what opens, in the 68 points."""


def interocular(points: Array, scheme: LandmarkScheme) -> Array:
    """Returns the distance (n,) between the outer eye corners of points (n, k, 2)."""
    left, right = scheme.outer_eye_corners
    distance: Array = np.linalg.norm(points[:, left] - points[:, right], axis=-1)
    return distance


def point_errors(
    predicted: Array, true: Array, scheme: LandmarkScheme, labelled: Labelled = None
) -> Array:
    """Returns the error (n, k) of each point, in percent of the true interocular distance; NaN for
    points that are not labelled."""
    distance = np.linalg.norm(predicted - true, axis=-1)
    errors: Array = 100 * distance / interocular(true, scheme)[:, None]
    return errors if labelled is None else np.where(labelled, errors, np.nan)


def mean_errors(errors: Array, axis: int, labelled: Labelled = None) -> Array:
    """Returns means of the errors (n, k) of labelled points along an axis; NaN where none is."""
    if labelled is None:
        mean: Array = errors.mean(axis=axis)
        return mean
    counts = labelled.sum(axis=axis)
    sums = np.where(labelled, errors, 0).sum(axis=axis)
    means: Array = np.full(counts.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def nme(predicted: Array, true: Array, scheme: LandmarkScheme, labelled: Labelled = None) -> Array:
    """Returns the normalised mean error (n,) of each face, in percent (Sagonas et al., 2013)."""
    errors = point_errors(predicted, true, scheme, labelled)
    return mean_errors(errors, 1, labelled)


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
    """Metrics of a network on faces, in percent; errors relative to the interocular distance.

    `openings` are the errors of the eyelids and of the inner lips, without their corners, relative
    to the width of that eye or mouth: empty for schemes other than ibug68. `regions` are those with
    a labelled point.
    """

    count: int
    nme: float
    median: float
    failure_rate_8: float
    failure_rate_10: float
    auc_10: float
    regions: dict[str, float]
    openings: dict[str, float] = field(default_factory=dict)


def accuracy(
    predicted: Array, true: Array, scheme: LandmarkScheme, labelled: Labelled = None
) -> Accuracy:
    """Computes all metrics for predicted and true points (n, k, 2) in the same coordinates."""
    errors = point_errors(predicted, true, scheme, labelled)
    faces = mean_errors(errors, 1, labelled)
    regions = {}
    for name, group in scheme.groups.items():
        chosen = errors[:, list(group)]
        if labelled is not None:
            chosen = chosen[labelled[:, list(group)]]
        if chosen.size:
            regions[name] = float(chosen.mean())
    return Accuracy(
        count=len(faces),
        nme=float(faces.mean()),
        median=float(np.median(faces)),
        failure_rate_8=failure_rate(faces, 8),
        failure_rate_10=failure_rate(faces, 10),
        auc_10=auc(faces, 10),
        regions=regions,
        openings=opening_errors(predicted, true, labelled) if scheme == IBUG68 else {},
    )


def opening_errors(predicted: Array, true: Array, labelled: Labelled = None) -> dict[str, float]:
    """Returns the mean errors of eyelids and inner lips of points (n, 68, 2), in percent of the
    true width of the eye or mouth. Eyes and mouths without a width are left out."""
    rings = {
        name: np.concatenate([_ring_errors(predicted, true, ring, labelled) for ring in rings])
        for name, rings in OPENINGS.items()
    }
    return {name: float(errors.mean()) for name, errors in rings.items() if errors.size}


def _ring_errors(predicted: Array, true: Array, ring: slice, labelled: Labelled) -> Array:
    """Errors (m,) of the labelled points of closed lines that start in a corner, without the two
    corners, which give the width."""
    given, wanted = predicted[:, ring], true[:, ring]
    half = given.shape[1] // 2
    corners = [0, half]
    widths = np.linalg.norm(wanted[:, half] - wanted[:, 0], axis=-1)
    usable = widths > 0
    if labelled is not None:
        usable &= labelled[:, ring][:, corners].all(axis=1)
    distances = np.linalg.norm(given - wanted, axis=-1)
    lids = np.delete(distances, corners, axis=1)[usable]
    errors: Array = 100 * lids / widths[usable, None]
    if labelled is not None:
        errors = errors[np.delete(labelled[:, ring], corners, axis=1)[usable]]
    return errors.ravel()


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
