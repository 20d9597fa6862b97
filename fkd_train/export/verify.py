"""Compares an exported landmark network under ONNX Runtime with the network itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import transform
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.models.cards.landmark import ModelCard, Parity
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.accuracy import evaluation_crops
from fkd_train.evaluation.metrics import nme
from fkd_train.evaluation.predict import Predict
from fkd_train.graphs.session import cpu_session, run_batches

BATCHES = (1, 2, 3, 7)
"""Batch sizes of the comparison: a graph with a constant batch fails for some of them."""


@dataclass(frozen=True)
class VerificationFaces:
    """Crops (n, S, S, C), their true points (n, k, 2) in crop pixels, and their origin.

    The points are None if they are not of the network's scheme; `labelled` (n, k) are those that
    count, None for all.
    """

    crops: NDArray[np.uint8]
    points: Floats | None
    scheme: LandmarkScheme
    source: str
    labelled: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Verification:
    """The largest and mean differences; `worst` names the point that differs most."""

    parity: Parity
    worst: str

    def passes(self, budget_px: float, budget_score: float) -> bool:
        """Returns whether points, spreads and scores differ by at most the budget; NaN never
        passes."""
        score, spread = self.parity.largest_score, self.parity.largest_spread
        return (
            self.parity.largest_px <= budget_px
            and (score is None or score <= budget_score)
            and (spread is None or spread <= budget_px)
        )

    def report(self) -> str:
        """Formats one line for people."""
        parity = self.parity
        change = parity.nme_change
        nme_change = "NME not compared" if change is None else f"NME {change:+.2g} points"
        score = "" if parity.largest_score is None else f", score {parity.largest_score:.2g}"
        spread = "" if parity.largest_spread is None else f", spread {parity.largest_spread:.2g} px"
        return (
            f"largest difference {parity.largest_px:.2g} px at {self.worst}, mean "
            f"{parity.mean_px:.2g} px, {nme_change}{score}{spread}, on {parity.faces}"
        )


def verification_faces(
    faces: Faces | None, sampler: CropSampler, count: int = 64
) -> VerificationFaces:
    """Cuts crops of the first faces of a data set, or of drawn faces without one."""
    source = "real faces"
    if faces is None:
        source = "drawn faces"
        rng = np.random.default_rng(0)
        drawn = [draw_face(200, rng) for _ in range(count)]
        images, points = zip(*drawn, strict=True)
        if sampler.channels == 3:
            images = tuple(_tinted(image, rng) for image in images)
        faces = Faces(("drawn",) * count, images, np.stack(points))
    chosen = faces.rows(range(min(count, len(faces))))
    crops, matrices = evaluation_crops(chosen, sampler)
    true_points = transform(chosen.points, matrices) if chosen.scheme == sampler.scheme else None
    return VerificationFaces(crops, true_points, chosen.scheme, source, chosen.labelled)


def _tinted(image: Pixels, rng: np.random.Generator) -> Pixels:
    """A gray image (H, W) in a colour (H, W, 3), so that the order of channels matters."""
    return np.rint(image[..., None] * rng.uniform(0.3, 1, 3)).astype(np.uint8)


def verify_model(
    network: Predict, model: onnx.ModelProto, card: ModelCard, faces: VerificationFaces
) -> Verification:
    """Compares a model, opened by the runtime, with the network it was exported from."""
    if not card.input.has_border:
        return verify(network, _planes_predict(model, card), faces)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        return verify(network, LandmarkSession(path, "cpu").run, faces)


def _planes_predict(model: onnx.ModelProto, card: ModelCard) -> Predict:
    """Predicts with a model without the border, as programs do that prepare planes themselves."""
    session = cpu_session(model)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or None

    def predict(crops: Pixels) -> Prediction:
        outputs = run_batches(session, card.output.names, ("image", as_planes(crops)), batch)
        return Prediction(**dict(zip(card.output.fields, outputs, strict=True)))

    return predict


def as_planes(crops: Pixels) -> Floats:
    """Crops (N, S, S, C), BGR or gray, as planes (N, C, S, S) in [0, 1], RGB or gray."""
    planes = np.moveaxis(crops[..., ::-1], -1, 1).astype(np.float32, order="C")
    return planes / np.float32(255)


def verify(reference: Predict, exported: Predict, faces: VerificationFaces) -> Verification:
    """Compares predictions on the same crops; `exported` runs in batches of 1, 2, 3 and 7."""
    expected, expected_scores, expected_spreads = reference(faces.crops)
    points, scores, spreads = _in_batches(exported, faces.crops)
    distance = np.linalg.norm(points - expected, axis=-1)
    face, point = np.unravel_index(int(np.argmax(distance)), distance.shape)
    parity = Parity(
        largest_px=float(distance[face, point]),
        mean_px=float(distance.mean()),
        nme_change=_nme_change(expected, points, faces),
        faces=f"{len(faces.crops)} {faces.source}",
        largest_score=_largest(scores, expected_scores),
        largest_spread=_largest(spreads, expected_spreads),
    )
    return Verification(parity, f"face {face}, point {point}")


def _largest(values: Floats | None, expected: Floats | None) -> float | None:
    """The largest difference of an output; None if a network has no such output."""
    if values is None or expected is None:
        return None
    return float(np.abs(values - expected).max())


def _nme_change(expected: Floats, points: Floats, faces: VerificationFaces) -> float | None:
    if faces.points is None:
        return None
    truth = faces.points, faces.scheme, faces.labelled
    return float((nme(points, *truth) - nme(expected, *truth)).mean())


def _in_batches(predict: Predict, crops: NDArray[np.uint8]) -> Prediction:
    parts: list[Prediction] = []
    start = 0
    while start < len(crops):
        size = BATCHES[len(parts) % len(BATCHES)]
        parts.append(predict(crops[start : start + size]))
        start += size
    return Prediction.concatenate(parts)
