"""Compares an exported detector under ONNX Runtime with its checkpoint under PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image
from fkd_infer.models.cards.detector import DetectorParity
from fkd_infer.types import Detections
from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.detection_metrics import Detect
from fkd_train.evaluation.detector_evaluation import (
    SCORE_FLOOR,
    EvaluationSet,
    suppress_candidates,
)
from fkd_train.export.detector_graph import ScoredDetector
from fkd_train.graphs.session import cpu_session
from fkd_train.models.detector import decode_points

BUDGET_PX, BUDGET_SCORE = 0.01, 1e-4
"""Largest allowed differences of an exported file from its checkpoint."""
_PICTURES = 24
_MIN_BOXES = 16
"""The best boxes of each picture are compared even if their scores are low."""

Candidates = tuple[Floats, Floats, Floats]
"""Boxes (A, 4), scores (A,) and points (A, 5, 2) of all cells."""


def verification_pictures(sets: Mapping[str, EvaluationSet]) -> tuple[list[Pixels], str]:
    """Returns pictures of many sizes, from both evaluation sets or drawn, and their origin."""
    if sets:
        mosaics, photos = sets.values()
        pictures = [*mosaics.images[: _PICTURES // 2], *photos.images[: _PICTURES // 2]]
        origin = "real pictures"
    else:
        rng = np.random.default_rng(0)
        pictures = [bgr_image(draw_face(200, rng)[0]) for _ in range(_PICTURES)]
        origin = "drawn faces"
    return [_trimmed(picture, number) for number, picture in enumerate(pictures)], origin


def _trimmed(image: Pixels, number: int) -> Pixels:
    """Removes some rows and columns, so that the sizes differ."""
    return np.ascontiguousarray(image[: len(image) - number % 9, : image.shape[1] - number % 7])


def torch_detections(network: ScoredDetector) -> Detect:
    """Makes a detector of a torch network, with suppression by numpy."""
    return lambda image: suppress_candidates(*torch_candidates(network, image))


def torch_candidates(network: ScoredDetector, image: Pixels) -> Candidates:
    """Computes the candidates of a network on an image (H, W, 3)."""
    with torch.inference_mode():
        boxes, scores, offsets, places = network(torch.from_numpy(np.ascontiguousarray(image)))
        points = decode_points(offsets, places)
    return boxes.numpy(), scores.numpy(), points.numpy()


def onnx_candidates(model: onnx.ModelProto, pictures: Sequence[Pixels]) -> list[Candidates]:
    """Computes the candidates of a graph without suppression on each picture."""
    session = cpu_session(model)
    candidates: list[Candidates] = []
    for picture in pictures:
        boxes, scores, *cells = session.run(None, {"image": picture})
        points = decode_points(*map(torch.from_numpy, cells))
        candidates.append((boxes, scores, points.numpy()))
    return candidates


def compare_candidates(
    expected: Sequence[Candidates], candidates: Sequence[Candidates], origin: str
) -> DetectorParity:
    """Compares all scores, and the boxes and points above the score floor."""
    largest_px, largest_score, boxes = 0.0, 0.0, 0
    for (box, score, points), (own_box, own_score, own_points) in zip(
        expected, candidates, strict=True
    ):
        rows = score >= min(SCORE_FLOOR, np.sort(score)[-_MIN_BOXES:][0])
        boxes += int(rows.sum())
        # Python's max would lose a NaN.
        largest_score = float(np.maximum(largest_score, _largest(score, own_score)))
        largest_px = float(np.maximum(largest_px, _largest(box[rows], own_box[rows])))
        largest_px = float(np.maximum(largest_px, _largest(points[rows], own_points[rows])))
    return DetectorParity(largest_px, largest_score, boxes, f"{len(expected)} {origin}")


def over_budget(parity: DetectorParity) -> str | None:
    """Describes a difference over the budget, or NaN; None within the budget."""
    if parity.largest_px <= BUDGET_PX and parity.largest_score <= BUDGET_SCORE:
        return None
    return (
        f"largest difference {parity.largest_px:.2g} px, score {parity.largest_score:.2g}, on "
        f"{parity.images}; the budget is {BUDGET_PX} px and {BUDGET_SCORE}"
    )


def same_detections(
    model: onnx.ModelProto, pictures: Sequence[Pixels], candidates: Sequence[Candidates]
) -> bool:
    """Returns whether a complete graph, opened by the runtime, selects the same boxes as numpy."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        onnx.save(model, path)
        detect = FkdDetector(path, provider="cpu").detect
    return all(
        _same(suppress_candidates(*expected), detect(picture))
        for picture, expected in zip(pictures, candidates, strict=True)
    )


def _same(expected: Detections, detections: Detections) -> bool:
    if len(expected) != len(detections):
        return False
    assert expected.points is not None
    assert detections.points is not None
    pairs = (expected.boxes, detections.boxes), (expected.points, detections.points)
    return all(_largest(*pair) <= BUDGET_PX for pair in pairs)


def _largest(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max(initial=0.0))
