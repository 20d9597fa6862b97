"""Does the exported file compute what the checkpoint computes? Torch against ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.models.cards.landmark import Parity
from fkd_infer.types import Prediction
from fkd_train.evaluation.accuracy import Predict, joined
from fkd_train.evaluation.metrics import nme

BATCHES = (1, 2, 3, 7)
"""Sizes that a graph with a baked-in batch cannot all take."""


@dataclass(frozen=True)
class VerificationFaces:
    """Crops (n, S, S, C), what they are, and their true points (n, k, 2), crop pixels; None where
    the points of the network's scheme are not known."""

    crops: NDArray[np.uint8]
    points: Floats | None
    scheme: LandmarkScheme
    source: str


@dataclass(frozen=True)
class Verification:
    """The comparison; `worst` names the point that differs most."""

    parity: Parity
    worst: str

    def passes(self, budget_px: float, budget_score: float) -> bool:
        """Whether no point and no score differs by more than the budget; NaN never passes."""
        score = self.parity.largest_score
        return self.parity.largest_px <= budget_px and (score is None or score <= budget_score)

    def report(self) -> str:
        """One line for people."""
        parity = self.parity
        change = parity.nme_change
        nme_change = "NME not compared" if change is None else f"NME {change:+.2g} points"
        score = "" if parity.largest_score is None else f", score {parity.largest_score:.2g}"
        return (
            f"largest difference {parity.largest_px:.2g} px at {self.worst}, mean "
            f"{parity.mean_px:.2g} px, {nme_change}{score}, on {parity.faces}"
        )


def verify(reference: Predict, exported: Predict, faces: VerificationFaces) -> Verification:
    """Runs both on the same crops, the exported one in batches of 1, 2, 3 and 7 in turn."""
    wanted, wanted_scores = reference(faces.crops)
    found, scores = _in_batches(exported, faces.crops)
    distance = np.linalg.norm(found - wanted, axis=-1)
    face, point = np.unravel_index(int(np.argmax(distance)), distance.shape)
    largest_score = None
    if scores is not None and wanted_scores is not None:
        largest_score = float(np.abs(scores - wanted_scores).max())
    parity = Parity(
        largest_px=float(distance[face, point]),
        mean_px=float(distance.mean()),
        nme_change=_nme_change(wanted, found, faces),
        faces=f"{len(faces.crops)} {faces.source}",
        largest_score=largest_score,
    )
    return Verification(parity, f"face {face}, point {point}")


def _nme_change(wanted: Floats, found: Floats, faces: VerificationFaces) -> float | None:
    if faces.points is None:
        return None
    change = nme(found, faces.points, faces.scheme) - nme(wanted, faces.points, faces.scheme)
    return float(change.mean())


def _in_batches(predict: Predict, crops: NDArray[np.uint8]) -> Prediction:
    """Predictions for all crops, cut into batches of changing size."""
    parts: list[Prediction] = []
    start = 0
    while start < len(crops):
        size = BATCHES[len(parts) % len(BATCHES)]
        parts.append(predict(crops[start : start + size]))
        start += size
    return joined(parts)
