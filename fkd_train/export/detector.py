"""Exports the detector of a checkpoint to ONNX, verified against PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from fkd_infer.models.cards.detector import DetectorAccuracy, DetectorCard
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.checkpoints import Checkpoint, load_detector
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import DataFolders, load_evaluation
from fkd_train.errors import VerificationError
from fkd_train.evaluation.calibration import fit_logistic
from fkd_train.evaluation.detection_metrics import Matches
from fkd_train.evaluation.detector_evaluation import (
    FALSE_PER_IMAGE,
    MAX_IOU,
    SCORE_FLOOR,
    EvaluationSet,
    detect_each,
    evaluation_sets,
    torch_detect,
)
from fkd_train.export.cards import (
    exporter_versions,
    licence,
    training_record,
    weights_sha256,
    with_card,
)
from fkd_train.export.detector_graph import ScoredDetector, to_onnx, with_suppression
from fkd_train.export.half import save_half
from fkd_train.export.torch_to_onnx import OPSET
from fkd_train.export.verify_detector import (
    compare_candidates,
    onnx_candidates,
    over_budget,
    same_detections,
    torch_candidates,
    torch_detections,
    verification_pictures,
)
from fkd_train.graphs.passes import EXACT_PASSES, apply_passes
from fkd_train.models.detector import DetectorNet

SMALLEST = 12.0
"""Smallest face that is reliably detected, in pixels from brows to chin, by
docs/explanation/detector.md."""
_LARGEST_AT_A_LEVEL = 120.0
"""Largest face that is reliably detected at one level of the pyramid, in pixels of the level."""


@dataclass(frozen=True)
class DetectorSource:
    """A calibrated network to export, its recipe, and its evaluation sets, if it has a data set.

    `card` is the fp32 file's, without parity.
    """

    network: ScoredDetector
    recipe: DetectorRecipe
    content: Checkpoint
    evaluation_sets: dict[str, EvaluationSet]
    card: DetectorCard


@dataclass(frozen=True)
class ExportedDetector:
    """A written file and its card."""

    path: Path
    card: DetectorCard

    def lines(self) -> list[str]:
        """Formats a summary for people."""
        size, parity = self.path.stat().st_size / 1e6, self.card.parity
        assert parity is not None
        lines = [
            f"{self.path}: {size:.2f} MB, {self.card.precision}, opset {self.card.opset}",
            f"verified: largest difference {parity.largest_px:.2g} px, score "
            f"{parity.largest_score:.2g}, of {parity.boxes} boxes on {parity.images}",
            f"boxes count as faces from score {self.card.threshold:.2f} on",
        ]
        for name, accuracy in self.card.accuracy.items():
            lines.append(
                f"{name}: {accuracy.recall:.2f} % of {accuracy.count} faces found, "
                f"{accuracy.false_per_image:.4f} false boxes per image, average precision "
                f"{accuracy.average_precision:.2f} %"
            )
        return lines


def load_detector_source(
    checkpoint: Path, data: DataFolders | None = None, half: bool = False, opset: int = OPSET
) -> DetectorSource:
    """Loads a checkpoint's detector.

    With a data set, scores are calibrated to probabilities on mosaics of the recipe's evaluation
    faces, and the card has the accuracy on the mosaics and on the images. With `half`, the weights
    are rounded to half precision.
    """
    network, recipe, content = load_detector(checkpoint)
    if half:
        network = network.half().float()
    digest = weights_sha256(network)
    sets: dict[str, EvaluationSet] = {}
    if data is not None:
        sets = evaluation_sets(
            recipe, load_evaluation(data, recipe.split, colour=True, configs=recipe.data)
        )
    slope, intercept = _calibrate(network, sets["mosaics"]) if sets else (1.0, 0.0)
    network.fold_input_scale()
    scored = ScoredDetector(network, slope, intercept).eval()
    threshold, accuracy = _evaluate(scored, recipe, sets) if sets else (0.5, {})
    card = DetectorCard(
        name=recipe.name if recipe.name != "detector" else recipe.model.name,
        architecture=recipe.model.name,
        threshold=threshold,
        floor=SCORE_FLOOR,
        overlap=MAX_IOU,
        smallest=SMALLEST,
        precision="fp32",
        opset=opset,
        training=training_record(recipe, content["progress"]["epoch"], digest),
        licence=licence(recipe),
        accuracy=accuracy,
        exporter=exporter_versions(),
        largest=_LARGEST_AT_A_LEVEL * network.spec.factors[-1],
    )
    return DetectorSource(scored, recipe, content, sets, card)


def _calibrate(network: DetectorNet, mosaics: EvaluationSet) -> tuple[float, float]:
    """Fits slope and intercept of the probability of a face given a box's logit.

    1 and 0 if they cannot be fitted: all boxes are correct, or none is.
    """
    matches = mosaics(torch_detect(network))
    if not matches.correct.any() or matches.correct.all():
        return 1.0, 0.0
    probability = np.clip(matches.scores, 1e-6, 1 - 1e-6)
    logits = np.log(probability / (1 - probability))
    slope, intercept = fit_logistic(logits, matches.correct)
    return (slope, intercept) if slope > 0 else (1.0, 0.0)


def _evaluate(
    network: ScoredDetector, recipe: DetectorRecipe, sets: dict[str, EvaluationSet]
) -> tuple[float, dict[str, DetectorAccuracy]]:
    """Determines the score threshold, and the accuracy at it by evaluation set."""
    detect = detect_each(torch_detections(network))
    matches = {name: evaluation_set(detect) for name, evaluation_set in sets.items()}
    threshold = _threshold(matches["images"])
    return threshold, card_accuracy(recipe, matches, threshold)


def _threshold(matches: Matches) -> float:
    """Returns the lowest score with one false positive in 100 images, rounded up to 4 digits."""
    return min(1.0, math.ceil(1e4 * matches.threshold(FALSE_PER_IMAGE)) / 1e4)


def card_accuracy(
    recipe: DetectorRecipe, matches: dict[str, Matches], threshold: float
) -> dict[str, DetectorAccuracy]:
    """Evaluations in the form of the card, by the names of their sets."""
    return {
        f"{recipe.split} split, {name}": accuracy_at(result, threshold)
        for name, result in matches.items()
    }


def accuracy_at(matches: Matches, threshold: float) -> DetectorAccuracy:
    """Returns the accuracy at a score threshold, in percent."""
    return DetectorAccuracy(
        recall=100 * matches.recall(threshold),
        false_per_image=matches.false_per_image(threshold),
        threshold=threshold,
        average_precision=100 * matches.average_precision(),
        count=len(matches.face_scores),
    )


def export_detector(
    checkpoint: Path,
    out: Path,
    data: DataFolders | None = None,
    half: Path | None = None,
    opset: int = OPSET,
) -> ExportedDetector:
    """Writes the detector of a checkpoint as ONNX, verified on the data set's or drawn pictures.

    `data` and `half` as for landmark networks. Raises VerificationError, and writes nothing, if a
    box or point differs by more than 0.01 px or a score by more than 0.0001.
    """
    source = load_detector_source(checkpoint, data, half is not None, opset)
    model, card = detector_model(source, out)
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(with_card(model, card), partial)
        if half is not None:
            save_half(half, load_detector(checkpoint)[0].half(), source.content)
    return ExportedDetector(out, card)


def detector_model(source: DetectorSource, out: Path) -> tuple[onnx.ModelProto, DetectorCard]:
    """Builds the complete graph and its card.

    The graph is compared with the network after the export and after each pass, and suppression
    with numpy's. Raises VerificationError.
    """
    pictures, origin = verification_pictures(source.evaluation_sets)
    expected = [torch_candidates(source.network, picture) for picture in pictures]

    def check(model: onnx.ModelProto) -> str | None:
        return over_budget(compare_candidates(expected, onnx_candidates(model, pictures), origin))

    candidates_graph = to_onnx(source.network, source.card.opset)
    if problem := check(candidates_graph):
        raise VerificationError.of_difference(out, problem)
    candidates_graph = apply_passes(candidates_graph, EXACT_PASSES, check)
    candidates = onnx_candidates(candidates_graph, pictures)
    card = replace(source.card, parity=compare_candidates(expected, candidates, origin))
    model = with_suppression(candidates_graph, SCORE_FLOOR, MAX_IOU)
    if not same_detections(with_card(model, card), pictures, candidates):
        raise VerificationError.of_difference(
            out, "suppression keeps other boxes, or in another order"
        )
    return model, card
