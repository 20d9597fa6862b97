"""A detector's export: proven equal, or no file."""

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
from fkd_train.evaluation.detection_metrics import Matched
from fkd_train.evaluation.detector_evaluation import FLOOR, LIMIT, EvaluationSet
from fkd_train.export import detector as detector_export
from fkd_train.export.detector import (
    ExportedDetector,
    export_detector,
    load_detector_source,
    measured,
)
from fkd_train.export.detector_graph import ScoredDetector, to_onnx, with_suppression
from fkd_train.export.landmarks import weights_sha256
from fkd_train.models.detector import DetectorNet

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = [(64, 64), (65, 99), (130, 71), (200, 264), (9, 50), (1, 1)]


def saved(network: DetectorNet, recipe: DetectorRecipe, path: Path) -> Path:
    content = {"recipe": recipe_to_dict(recipe), "points": 5, "weights": network.state_dict()}
    save_checkpoint(path, {**content, "progress": {"epoch": 3}})
    return path


@dataclass(frozen=True)
class Made:
    """A checkpoint, its file, and the graph without suppression as torch exported it."""

    checkpoint: Path
    exported: ExportedDetector
    plain: onnx.ModelProto

    def graph(self) -> onnx.ModelProto:
        """A copy."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self.plain)
        return copy


@pytest.fixture(scope="module")
def made(
    lively: DetectorNet, tiny_detector: DetectorRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    folder = tmp_path_factory.mktemp("detector")
    checkpoint = saved(lively, tiny_detector, folder / "last.pt")
    graphs = []

    def capture(network: ScoredDetector, opset: int) -> onnx.ModelProto:
        graphs.append(to_onnx(network, opset))
        return graphs[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector_export, "to_onnx", capture)
        exported = export_detector(checkpoint, folder / "m.onnx")
    return Made(checkpoint, exported, graphs[0])


@pytest.fixture(scope="module")
def with_data(
    made: Made, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportedDetector, Path]:
    """Exported with drawn faces as its data, and its half-precision checkpoint."""
    folder = tmp_path_factory.mktemp("measured")
    half = folder / "half.pt"
    return export_detector(made.checkpoint, folder / "m.onnx", drawn_data, half), half


def picture(high: int, wide: int) -> Pixels:
    return np.random.default_rng(high).integers(0, 256, (high, wide, 3), np.uint8)


@pytest.mark.parametrize(("high", "wide"), SIZES)
def test_the_file_finds_what_torch_finds_once_suppressed_by_numpy(
    high: int, wide: int, made: Made
) -> None:
    image = picture(high, wide)
    network = load_detector(made.checkpoint)[0]
    with torch.inference_mode():
        said = network.search_multiscale(torch.from_numpy(image)[None])
    boxes, points = said.boxes[0].numpy(), said.points[0].numpy()
    scores = said.logits[0].sigmoid().numpy()
    rows = np.flatnonzero(scores >= FLOOR)
    kept = rows[suppress(boxes[rows], scores[rows], LIMIT)]
    found = FkdDetector(made.exported.path, provider="cpu").detect(image)
    assert len(found) > 0
    assert found.points is not None
    np.testing.assert_allclose(found.scores, scores[kept], atol=1e-4)
    np.testing.assert_allclose(found.boxes, boxes[kept], atol=0.01)
    np.testing.assert_allclose(found.points, points[kept], atol=0.01)


def test_what_is_found_is_best_first_and_each_face_once(made: Made) -> None:
    found = FkdDetector(made.exported.path, provider="cpu").detect(picture(200, 264))
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() >= FLOOR
    shared = iou(found.boxes, found.boxes) - np.eye(len(found))
    assert shared.max() <= LIMIT + 1e-5


def test_the_file_describes_itself(made: Made, lively: DetectorNet) -> None:
    detector = FkdDetector(made.exported.path, provider="cpu")
    card = detector.card
    assert card == made.exported.card
    assert (card.name, card.architecture, card.precision) == ("tiny", "fkd-detector", "fp32")
    assert (card.threshold, card.floor, card.overlap) == (0.5, FLOOR, LIMIT)
    assert (card.training.epochs, card.training.split, card.accuracy) == (3, "official", {})
    assert card.training.weights_sha256 == weights_sha256(lively)
    assert card.parity is not None
    assert card.parity.largest_px <= 0.01
    assert card.parity.boxes > 100
    assert card.parity.images == "24 drawn faces"
    assert set(card.exporter) == {"torch", "onnx", "onnxscript", "fkd"}
    assert any("from score 0.50 on" in line for line in made.exported.lines())


def test_the_weights_of_both_searches_are_kept_once(made: Made) -> None:
    count = sum(p.numel() for p in load_detector(made.checkpoint)[0].parameters())
    assert made.exported.path.stat().st_size < 1.3 * 4 * count + 200_000
    graph = onnx.load(made.exported.path, load_external_data=False).graph
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    large = [(tensor.shape, tensor.tobytes()) for tensor in tensors if tensor.size > 64]
    assert len(set(large)) == len(large)
    assert sum(tensor.size for tensor in tensors if tensor.dtype == np.float32) < 1.3 * count


def test_data_gives_the_card_its_accuracy(with_data: tuple[ExportedDetector, Path]) -> None:
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


def test_half_precision_rounds_first_so_that_both_files_agree(
    made: Made, with_data: tuple[ExportedDetector, Path]
) -> None:
    exported, half = with_data
    assert half.stat().st_size < made.checkpoint.stat().st_size
    network, recipe, content = load_detector(half)
    assert {t.dtype for t in content["weights"].values()} <= {torch.float16, torch.int64}
    assert recipe.name == "tiny"
    assert exported.card.training.weights_sha256 == weights_sha256(network)
    assert exported.card.training != made.exported.card.training


def change_a_weight(model: onnx.ModelProto) -> None:
    weights = [t for t in model.graph.initializer if list(t.dims[1:]) == [8, 3, 3]]
    values = onnx.numpy_helper.to_array(weights[0]).copy()
    values.flat[::100] += 0.05
    weights[0].CopyFrom(onnx.numpy_helper.from_array(values, weights[0].name))


def change_the_coarse_offset(model: onnx.ModelProto) -> None:
    """A coarse pixel lies one pixel in; the graph is told that it lies at the edge."""
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
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures to compare on, where that is enough, and no passes."""
    monkeypatch.setattr(detector_export, "_VERIFIED", 4)
    monkeypatch.setattr(detector_export, "apply", lambda model, *_: model)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("breakage", [change_a_weight, change_the_coarse_offset])
def test_a_broken_export_ships_nothing(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breakage: object
) -> None:
    graph = made.graph()
    breakage(graph)  # type: ignore[operator]
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: graph)
    with pytest.raises(VerificationError, match=r"broken\.onnx: not written.*largest difference"):
        export_detector(made.checkpoint, tmp_path / "broken.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few")
def test_a_suppression_that_keeps_other_boxes_ships_nothing(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: made.graph())
    monkeypatch.setattr(
        detector_export, "with_suppression", lambda m, floor, _: with_suppression(m, floor, 0.6)
    )
    with pytest.raises(VerificationError, match="keeps other boxes"):
        export_detector(made.checkpoint, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few")
def test_a_network_that_answers_nan_ships_nothing(
    made: Made, tiny_detector: DetectorRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_detector(made.checkpoint)[0]
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    path = saved(network, tiny_detector, tmp_path / "last.pt")
    monkeypatch.setattr(detector_export, "to_onnx", lambda *_: made.graph())
    with pytest.raises(VerificationError, match=r"largest difference .* score nan"):
        export_detector(path, tmp_path / "nan.onnx")
    assert not (tmp_path / "nan.onnx").exists()


def test_boxes_are_compared_even_where_no_score_counts() -> None:
    boxes, scores = np.zeros((40, 4), np.float32), np.linspace(0, 0.01, 40, dtype=np.float32)
    points = np.zeros((40, 5, 2), np.float32)
    other = boxes.copy()
    other[-3] = 1.0
    parity = detector_export._compared([(boxes, scores, points)], [(other, scores, points)], "x")
    assert (parity.largest_px, parity.largest_score, parity.boxes) == (1, 0, 16)
    assert not detector_export._passes(parity)


def test_scores_that_tell_faces_without_fail_have_a_finite_slope() -> None:
    values = np.array([-30.0, -2.0, -1.0, 1.0, 2.0, 40.0])
    slope, _ = fit_logistic(values, values > 0)
    assert np.isfinite(slope)
    assert slope > 1


def test_scores_that_say_nothing_of_faces_stay_as_they_are(
    made: Made, drawn_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that finds no face has nothing that its scores could be fitted to."""

    def nothing(exam: EvaluationSet, _: object) -> Matched:
        faces = np.full(sum(map(len, exam.truths)), np.nan)
        return Matched(np.array([0.3, 0.2]), np.zeros(2, bool), faces, len(exam.images))

    monkeypatch.setattr(EvaluationSet, "__call__", nothing)
    source = load_detector_source(made.checkpoint, drawn_data)
    assert (source.network.slope, source.network.intercept) == (1, 0)


def test_a_threshold_of_four_digits_lets_no_more_false_boxes_pass() -> None:
    scores = np.array([0.9, 0.31416, 0.314159, 0.2])
    own = Matched(scores, np.array([True, True, False, False]), np.array([0.9, 0.31416]), 1)
    threshold = detector_export._threshold(replace(own, images=2))
    assert threshold == 0.3142
    figures = measured(own, threshold)
    assert (figures.threshold, figures.false_per_image, figures.recall) == (0.3142, 0, 50)
    sure = replace(own, scores=np.ones(4))
    assert detector_export._threshold(sure) == 1
