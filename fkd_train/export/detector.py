"""From a detector's checkpoint to an ONNX file that describes itself, proven equal, or to none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image
from fkd_infer.models.cards.detector import DetectorAccuracy, DetectorCard, DetectorParity
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.types import Detections
from fkd_train.checkpoints import Checkpoint, load_detector
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import load_evaluation
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import VerificationError
from fkd_train.evaluation.calibration import fit_logistic
from fkd_train.evaluation.detection_metrics import Find, Matched
from fkd_train.evaluation.detector_evaluation import (
    FALSE_PER_IMAGE,
    FLOOR,
    LIMIT,
    EvaluationSet,
    evaluation_sets,
    one_by_one,
    suppressed,
    torch_find,
)
from fkd_train.export.detector_graph import ScoredDetector, to_onnx, with_suppression
from fkd_train.export.landmarks import (
    OPSET,
    save_half,
    trained,
    versions,
    weights_sha256,
    with_card,
)
from fkd_train.graphs.passes import EXACT, apply
from fkd_train.models.detector import DetectorNet

BUDGET_PX, BUDGET_SCORE = 0.01, 1e-4
"""Largest differences of an exported file from its checkpoint."""
SMALLEST = 12.0
"""Face, in pixels from brows to chin, that is still found well; docs/detector.md has figures."""
_VERIFIED, _FEW = 24, 16
"""Pictures that files are compared on, and the fewest boxes of each, if it has as many."""
Answer = tuple[Floats, Floats, Floats]
"""Boxes (A, 4), scores (A,) and points (A, 5, 2) of all cells."""


@dataclass(frozen=True)
class DetectorSource:
    """What is exported: a network, ready for it, its recipe, and the pictures that it is judged on:
    mosaics and images, where there is a data set. `card` is the fp32 file's, without parity."""

    network: ScoredDetector
    recipe: DetectorRecipe
    content: Checkpoint
    evaluation_sets: dict[str, EvaluationSet]
    card: DetectorCard

    def pictures(self) -> tuple[list[Pixels], str]:
        """Pictures of many sizes that files are compared on, and what they are."""
        if self.evaluation_sets:
            mosaics, photos = self.evaluation_sets.values()
            chosen = [*mosaics.images[: _VERIFIED // 2], *photos.images[: _VERIFIED // 2]]
            return [_cut(image, number) for number, image in enumerate(chosen)], "real pictures"
        rng = np.random.default_rng(0)
        drawn = [draw_face(200, rng)[0] for _ in range(_VERIFIED)]
        pictures = [bgr_image(image) for image in drawn]
        return [_cut(image, number) for number, image in enumerate(pictures)], "drawn faces"


def _cut(image: Pixels, number: int) -> Pixels:
    """Without some of its rows and columns, so that sizes are of all kinds."""
    return np.ascontiguousarray(image[: len(image) - number % 9, : image.shape[1] - number % 7])


@dataclass(frozen=True)
class ExportedDetector:
    """A file that was written, and its card."""

    path: Path
    card: DetectorCard

    def lines(self) -> list[str]:
        """For people."""
        size, parity = self.path.stat().st_size / 1e6, self.card.parity
        assert parity is not None
        lines = [
            f"{self.path}: {size:.2f} MB, {self.card.precision}, opset {self.card.opset}",
            f"verified: largest difference {parity.largest_px:.2g} px, score "
            f"{parity.largest_score:.2g}, of {parity.boxes} boxes on {parity.images}",
            f"a box is taken for a face from score {self.card.threshold:.2f} on",
        ]
        for protocol, found in self.card.accuracy.items():
            lines.append(
                f"{protocol}: {found.recall:.2f} % of {found.count} faces found, "
                f"{found.false_per_image:.4f} false boxes an image, average precision "
                f"{found.average_precision:.2f} %"
            )
        return lines


def load_detector_source(
    checkpoint: Path, data: Path | None = None, half: bool = False
) -> DetectorSource:
    """A checkpoint's detector. With a data set, its scores are made chances of a face on mosaics of
    the recipe's evaluation faces, and its accuracy on them, and on their images, is in the card."""
    network, recipe, content = load_detector(checkpoint)
    if half:
        network = network.half().float()
    digest = weights_sha256(network)
    judged: dict[str, EvaluationSet] = {}
    if data is not None:
        judged = evaluation_sets(recipe, load_evaluation(data, recipe.split, colour=True))
    slope, intercept, threshold, accuracy = 1.0, 0.0, 0.5, {}
    if judged:
        slope, intercept = _calibrated(network, judged["mosaics"])
    network.fold_input_scale()
    scored = ScoredDetector(network, slope, intercept).eval()
    if judged:
        found = {name: exam(one_by_one(_find(scored))) for name, exam in judged.items()}
        threshold = _threshold(found["images"])
        accuracy = {
            f"{recipe.split} split, {name}": measured(one, threshold) for name, one in found.items()
        }
    card = DetectorCard(
        name=recipe.name if recipe.name != "detector" else recipe.model.name,
        architecture=recipe.model.name,
        threshold=threshold,
        floor=FLOOR,
        overlap=LIMIT,
        smallest=SMALLEST,
        precision="fp32",
        opset=OPSET,
        training=trained(recipe, content["progress"]["epoch"], digest),
        licence=f"weights trained on: {recipe.data.licence}",
        accuracy=accuracy,
        exporter=versions(),
    )
    return DetectorSource(scored, recipe, content, judged, card)


def _calibrated(network: DetectorNet, exam: EvaluationSet) -> tuple[float, float]:
    """Slope and intercept of the chance that a box is a face's, given its logit; 1 and 0 where that
    says nothing, as of a network that finds no face, or nothing else."""
    found = exam(torch_find(network))
    if not found.right.any() or found.right.all():
        return 1.0, 0.0
    chance = np.clip(found.scores, 1e-6, 1 - 1e-6)
    slope, intercept = fit_logistic(np.log(chance / (1 - chance)), found.right)
    return (slope, intercept) if slope > 0 else (1.0, 0.0)


def _threshold(found: Matched) -> float:
    """The score, of four digits, from which there is no more than one false box in 100 images."""
    return min(1.0, math.ceil(1e4 * found.threshold(FALSE_PER_IMAGE)) / 1e4)


def measured(found: Matched, threshold: float) -> DetectorAccuracy:
    """An exam as the card has it."""
    return DetectorAccuracy(
        recall=100 * found.recall(threshold),
        false_per_image=found.false_per_image(threshold),
        threshold=threshold,
        average_precision=100 * found.average_precision(),
        count=len(found.found),
    )


def _find(network: ScoredDetector) -> Find:
    """The detector of a network that is ready for export, with suppression by numpy."""

    def find(image: Pixels) -> Detections:
        return suppressed(*_answer(network, image))

    return find


def _answer(network: ScoredDetector, image: Pixels) -> Answer:
    with torch.inference_mode():
        boxes, scores, points = network(torch.from_numpy(np.ascontiguousarray(image)))
    return boxes.numpy(), scores.numpy(), points.numpy()


def export_detector(
    checkpoint: Path, out: Path, data: Path | None = None, half: Path | None = None
) -> ExportedDetector:
    """Writes the detector of a checkpoint as ONNX, verified against torch on real or drawn
    pictures, as `export` does with networks that place points.

    Raises VerificationError, and writes nothing, where a box or point differs by
    more than 0.01 px, or a score by more than 0.0001.
    """
    source = load_detector_source(checkpoint, data, half is not None)
    model, card = detector_model(source, out)
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(with_card(model, card), partial)
        if half is not None:
            save_half(half, load_detector(checkpoint)[0].half(), source.content)
    return ExportedDetector(out, card)


def detector_model(source: DetectorSource, out: Path) -> tuple[onnx.ModelProto, DetectorCard]:
    """The whole graph and its card; compared with the network as exported, after each pass, and
    with suppression. Raises VerificationError."""
    pictures, what = source.pictures()
    wanted = [_answer(source.network, picture) for picture in pictures]

    def differs(model: onnx.ModelProto) -> str | None:
        parity = _compared(wanted, _answers(model, pictures), what)
        return None if _passes(parity) else _over_budget(parity)

    plain = to_onnx(source.network, OPSET)
    problem = differs(plain)
    if problem:
        raise VerificationError.of_difference(out, problem)
    plain = apply(plain, EXACT, differs)
    answers = _answers(plain, pictures)
    parity = _compared(wanted, answers, what)
    whole = with_suppression(plain, FLOOR, LIMIT)
    card = replace(source.card, parity=parity)
    run = session_find(with_card(whole, card))
    for picture, answer in zip(pictures, answers, strict=True):
        if _unlike(suppressed(*answer), run(picture)):
            raise VerificationError.of_difference(
                out, "suppression keeps other boxes, or in another order"
            )
    return whole, card


def _compared(wanted: Sequence[Answer], found: Sequence[Answer], what: str) -> DetectorParity:
    """Largest differences, of the boxes that count, or at least of each picture's best few."""
    largest_px, largest_score, boxes = 0.0, 0.0, 0
    for (box, score, point), (own_box, own_score, own_point) in zip(wanted, found, strict=True):
        rows = score >= min(FLOOR, np.sort(score)[-_FEW:][0])
        boxes += int(rows.sum())
        # Python's max would lose a NaN.
        largest_score = float(np.maximum(largest_score, _largest(score, own_score)))
        largest_px = float(np.maximum(largest_px, _largest(box[rows], own_box[rows])))
        largest_px = float(np.maximum(largest_px, _largest(point[rows], own_point[rows])))
    return DetectorParity(largest_px, largest_score, boxes, f"{len(wanted)} {what}")


def _largest(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max(initial=0.0))


def _passes(parity: DetectorParity) -> bool:
    """NaN never passes."""
    return parity.largest_px <= BUDGET_PX and parity.largest_score <= BUDGET_SCORE


def _over_budget(parity: DetectorParity) -> str:
    return (
        f"largest difference {parity.largest_px:.2g} px, score {parity.largest_score:.2g}, on "
        f"{parity.images}; the budget is {BUDGET_PX} px and {BUDGET_SCORE}"
    )


def _unlike(wanted: Detections, found: Detections) -> bool:
    """Whether suppression in the graph keeps other boxes than it should."""
    return len(wanted) != len(found) or _largest(wanted.boxes, found.boxes) > BUDGET_PX


def _answers(model: onnx.ModelProto, pictures: Sequence[Pixels]) -> list[Answer]:
    """What a graph without suppression says of pictures."""
    ort = import_onnxruntime()
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: list[Answer] = []
    for picture in pictures:
        boxes, scores, points = session.run(None, {"image": picture})
        answers.append((boxes, scores, points))
    return answers


def session_find(model: onnx.ModelProto) -> Callable[[Pixels], Detections]:
    """The detector of a whole graph, from the lowest scores on."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        onnx.save(model, path)
        return FkdDetector(path, provider="cpu").detect
