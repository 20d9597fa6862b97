"""Exported detectors equal their checkpoints, or are not written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.nms import iou, suppress
from fkd_train.checkpoints import load_detector, save_checkpoint
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import recipe_to_dict
from fkd_train.errors import VerificationError
from fkd_train.evaluation.calibration import fit_logistic
from fkd_train.evaluation.detection_metrics import Matches
from fkd_train.evaluation.detector_evaluation import MAX_IOU, SCORE_FLOOR, EvaluationSet
from fkd_train.export import detector as detector_export
from fkd_train.export import verify_detector
from fkd_train.export.cards import weights_sha256
from fkd_train.export.detector import (
    ExportedDetector,
    accuracy_at,
    export_detector,
    load_detector_source,
)
from fkd_train.export.detector_graph import ScoredDetector, to_onnx, with_suppression
from fkd_train.models.detector import DetectorNet

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = [(64, 64), (65, 99), (130, 71), (200, 264), (9, 50), (1, 1)]


def saved(network: DetectorNet, recipe: DetectorRecipe, path: Path) -> Path:
    content = {"recipe": recipe_to_dict(recipe), "points": 5, "weights": network.state_dict()}
    save_checkpoint(path, {**content, "progress": {"epoch": 3}})
    return path


@dataclass(frozen=True)
class Export:
    """A checkpoint, its exported file, and the graph without suppression."""

    checkpoint: Path
    result: ExportedDetector
    candidates: onnx.ModelProto

    def graph(self) -> onnx.ModelProto:
        """A copy of the graph without suppression."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self.candidates)
        return copy


@pytest.fixture(scope="module")
def export(
    lively: DetectorNet, tiny_detector: DetectorRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Export:
    folder = tmp_path_factory.mktemp("detector")
    checkpoint = saved(lively, tiny_detector, folder / "last.pt")
    graphs = []

    def capture(network: ScoredDetector, opset: int) -> onnx.ModelProto:
        graphs.append(to_onnx(network, opset))
        return graphs[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector_export, "to_onnx", capture)
        exported = export_detector(checkpoint, folder / "m.onnx")
    return Export(checkpoint, exported, graphs[0])


@pytest.fixture(scope="module")
def with_data(
    export: Export, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportedDetector, Path]:
    """A file exported with a data set of drawn faces, and its half-precision checkpoint."""
    folder = tmp_path_factory.mktemp("measured")
    half = folder / "half.pt"
    return export_detector(export.checkpoint, folder / "m.onnx", drawn_data, half), half


def picture(high: int, wide: int) -> Pixels:
    return np.random.default_rng(high).integers(0, 256, (high, wide, 3), np.uint8)


@pytest.mark.parametrize(("high", "wide"), SIZES)
def test_the_file_detects_what_torch_detects_after_suppression_by_numpy(
    high: int, wide: int, export: Export
) -> None:
    image = picture(high, wide)
    network = load_detector(export.checkpoint)[0]
    with torch.inference_mode():
        candidates = network(torch.from_numpy(image)[None])
    boxes, points = candidates.boxes[0].numpy(), candidates.points[0].numpy()
    scores = candidates.logits[0].sigmoid().numpy()
    rows = np.flatnonzero(scores >= SCORE_FLOOR)
    best = rows[suppress(boxes[rows], scores[rows], MAX_IOU)]
    detections = FkdDetector(export.result.path, provider="cpu").detect(image)
    assert len(detections) > 0
    assert detections.points is not None
    np.testing.assert_allclose(detections.scores, scores[best], atol=1e-4)
    np.testing.assert_allclose(detections.boxes, boxes[best], atol=0.01)
    np.testing.assert_allclose(detections.points, points[best], atol=0.01)


def test_detections_are_best_first_and_do_not_overlap(export: Export) -> None:
    detections = FkdDetector(export.result.path, provider="cpu").detect(picture(200, 264))
    assert (np.diff(detections.scores) <= 0).all()
    assert detections.scores.min() >= SCORE_FLOOR
    overlaps = iou(detections.boxes, detections.boxes) - np.eye(len(detections))
    assert overlaps.max() <= MAX_IOU + 1e-5


def test_the_card_describes_the_file(export: Export, lively: DetectorNet) -> None:
    detector = FkdDetector(export.result.path, provider="cpu")
    card = detector.card
    assert card == export.result.card
    assert (card.name, card.architecture, card.precision) == ("tiny", "fkd-detector", "fp32")
    assert (card.threshold, card.floor, card.overlap) == (0.5, SCORE_FLOOR, MAX_IOU)
    assert (card.training.epochs, card.training.split, card.accuracy) == (3, "official", {})
    assert card.training.weights_sha256 == weights_sha256(lively)
    assert card.parity is not None
    assert card.parity.largest_px <= 0.01
    assert card.parity.boxes > 100
    assert card.parity.images == "24 drawn faces"
    assert set(card.exporter) == {"torch", "onnx", "onnxscript", "fkd"}
    assert any("from score 0.50 on" in line for line in export.result.lines())


def test_weights_that_both_scales_share_are_stored_once(export: Export) -> None:
    count = sum(p.numel() for p in load_detector(export.checkpoint)[0].parameters())
    assert export.result.path.stat().st_size < 1.3 * 4 * count + 200_000
    graph = onnx.load(export.result.path, load_external_data=False).graph
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    large = [(tensor.shape, tensor.tobytes()) for tensor in tensors if tensor.size > 64]
    assert len(set(large)) == len(large)
    assert sum(tensor.size for tensor in tensors if tensor.dtype == np.float32) < 1.3 * count


def test_the_card_has_the_accuracy_on_the_data_set(
    with_data: tuple[ExportedDetector, Path],
) -> None:
    exported, _ = with_data
    card = FkdDetector(exported.path, provider="cpu").card
    assert set(card.accuracy) == {"official split, mosaics", "official split, images"}
    assert card.accuracy["official split, images"].count == 6
    assert card.accuracy["official split, images"].false_per_image <= 0.01
    for figures in card.accuracy.values():
        assert 0 <= figures.recall <= 100
        assert figures.threshold == card.threshold
    assert card.parity is not None
    assert card.parity.images == "12 real pictures"
    assert sum("faces found" in line for line in exported.lines()) == 2


def test_half_rounds_the_weights_before_both_files_are_written(
    export: Export, with_data: tuple[ExportedDetector, Path]
) -> None:
    exported, half = with_data
    assert half.stat().st_size < export.checkpoint.stat().st_size
    network, recipe, content = load_detector(half)
    assert {t.dtype for t in content["weights"].values()} <= {torch.float16, torch.int64}
    assert recipe.name == "tiny"
    assert exported.card.training.weights_sha256 == weights_sha256(network)
    assert exported.card.training != export.result.card.training


def change_a_weight(model: onnx.ModelProto) -> None:
    weights = [t for t in model.graph.initializer if list(t.dims[1:]) == [8, 3, 3]]
    values = onnx.numpy_helper.to_array(weights[0]).copy()
    values.flat[::100] += 0.05
    weights[0].CopyFrom(onnx.numpy_helper.from_array(values, weights[0].name))


def change_the_coarse_offset(model: onnx.ModelProto) -> None:
    """Turns additions of 1 to subtractions: a coarse pixel moves by two pixels."""
    ones = [
        node
        for node in model.graph.node
        if node.op_type == "Add"
        for tensor in model.graph.initializer
        if tensor.name in node.input and onnx.numpy_helper.to_array(tensor).tolist() == 1.0
        if tensor.data_type == onnx.TensorProto.FLOAT
    ]
    for node in ones:
        node.op_type = "Sub"
    assert ones


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares on few pictures and applies no passes."""
    monkeypatch.setattr(verify_detector, "_PICTURES", 4)
    monkeypatch.setattr(detector_export, "apply_passes", lambda model, *_: model)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("breakage", [change_a_weight, change_the_coarse_offset])
def test_writes_nothing_if_the_export_is_broken(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breakage: object
) -> None:
    graph = export.graph()
    breakage(graph)  # type: ignore[operator]
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: graph)
    with pytest.raises(VerificationError, match=r"broken\.onnx: not written.*largest difference"):
        export_detector(export.checkpoint, tmp_path / "broken.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_writes_nothing_if_suppression_keeps_other_boxes(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: export.graph())
    monkeypatch.setattr(
        detector_export, "with_suppression", lambda m, floor, _: with_suppression(m, floor, 0.6)
    )
    with pytest.raises(VerificationError, match="keeps other boxes"):
        export_detector(export.checkpoint, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_writes_nothing_if_outputs_are_nan(
    export: Export, tiny_detector: DetectorRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_detector(export.checkpoint)[0]
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    path = saved(network, tiny_detector, tmp_path / "last.pt")
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: export.graph())
    with pytest.raises(VerificationError, match=r"largest difference .* score nan"):
        export_detector(path, tmp_path / "nan.onnx")
    assert not (tmp_path / "nan.onnx").exists()


def test_compares_boxes_even_if_all_scores_are_low() -> None:
    boxes, scores = np.zeros((40, 4), np.float32), np.linspace(0, 0.01, 40, dtype=np.float32)
    points = np.zeros((40, 5, 2), np.float32)
    other = boxes.copy()
    other[-3] = 1.0
    parity = verify_detector.compare_candidates(
        [(boxes, scores, points)], [(other, scores, points)], "x"
    )
    assert (parity.largest_px, parity.largest_score, parity.boxes) == (1, 0, 16)
    assert verify_detector.over_budget(parity) is not None


def test_separable_scores_have_a_finite_slope() -> None:
    values = np.array([-30.0, -2.0, -1.0, 1.0, 2.0, 40.0])
    slope, _ = fit_logistic(values, values > 0)
    assert np.isfinite(slope)
    assert slope > 1


def test_scores_are_not_calibrated_without_correct_boxes(
    export: Export, drawn_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a detected face, there is nothing to fit."""

    def no_face(images: EvaluationSet, _: object) -> Matches:
        faces = np.full(sum(map(len, images.truths)), np.nan)
        return Matches(np.array([0.3, 0.2]), np.zeros(2, bool), faces, len(images.images))

    monkeypatch.setattr(EvaluationSet, "__call__", no_face)
    source = load_detector_source(export.checkpoint, drawn_data)
    assert (source.network.slope, source.network.intercept) == (1, 0)


def test_the_threshold_is_rounded_up_to_four_digits() -> None:
    scores = np.array([0.9, 0.31416, 0.314159, 0.2])
    matches = Matches(scores, np.array([True, True, False, False]), np.array([0.9, 0.31416]), 1)
    threshold = detector_export._threshold(replace(matches, image_count=2))
    assert threshold == 0.3142
    figures = accuracy_at(matches, threshold)
    assert (figures.threshold, figures.false_per_image, figures.recall) == (0.3142, 0, 50)
    certain = replace(matches, scores=np.ones(4))
    assert detector_export._threshold(certain) == 1
