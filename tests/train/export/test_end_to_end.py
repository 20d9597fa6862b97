"""The end-to-end file outputs the same faces and points as the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from repo_paths import DOCS, SHIPPED_MODELS
from tiny_models import FIVE

from fkd_infer.choices import DETECTOR_MODEL
from fkd_infer.detection.fkd import CHECKED_THRESHOLD, FkdDetector
from fkd_infer.errors import DetectorError, ModelCardError, ModelFileNotFoundError, WrongTaskError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import InputSpec, ModelCard, OutputSpec, Parity
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Face
from fkd_train.cli import export
from fkd_train.errors import VerificationError
from fkd_train.export import end_to_end
from fkd_train.export.end_to_end import Parts, compare
from fkd_train.export.end_to_end_pictures import sheets
from fkd_train.export.sources.checkpoint import load_checkpoint_source
from fkd_train.export.verify import Verification
from fkd_train.graphs.crop import FIXED_POINT

FKDNET, NAIMISHNET = SHIPPED_MODELS / "fkdnet.onnx", SHIPPED_MODELS / "naimishnet.onnx"
FACE = np.array([[187, 84, 271, 172]], np.float32)
"""The points' box of skimage's astronaut."""
EXACT_PX = 1e-3 if FIXED_POINT else 0.1
"""OpenCV 4's crops are equal bit for bit."""


def moved(*sides: float) -> NDArray[np.float32]:
    """FACE with its sides moved."""
    return FACE + np.array(sides, np.float32)


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1], np.uint8)


def save(path: Path, model: onnx.ModelProto, card: Any) -> Path:
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.save(model, path)
    return path


def detector(path: Path, boxes: ArrayLike, scores: ArrayLike, rule: BoxRule) -> Path:
    """A detector with the same boxes for every image."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    outputs = {
        "boxes": boxes,
        "scores": np.asarray(scores, np.float32),
        "points": np.zeros((len(boxes), 5, 2), np.float32),
    }
    # The count depends on the image (1000 times its height), so that no session treats it as fixed.
    nodes = [
        helper.make_node("Shape", ["image"], ["height"], end=1),
        helper.make_node("Mul", ["height", "many"], ["end"]),
    ]
    values = []
    for name, output in outputs.items():
        nodes.append(helper.make_node("Slice", [f"all_{name}", "zero", "end", "zero"], [name]))
        shape = ["faces", *output.shape[1:]]
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        nodes,
        "constant detector",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])],
        values,
        [
            *(numpy_helper.from_array(output, f"all_{name}") for name, output in outputs.items()),
            numpy_helper.from_array(np.array([1000]), "many"),
            numpy_helper.from_array(np.array([0]), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    shipped = FkdDetector(DETECTOR_MODEL, provider="cpu").card
    return save(path, model, replace(shipped, threshold=0.5, box_rule=rule))


def five_point_network(path: Path, score: bool, rules: dict[str, BoxRule]) -> Path:
    """A network of five points, on colour crops of 24 px with a black border."""
    rng = np.random.default_rng(0)
    size = 24
    values: dict[str, NDArray[np.generic]] = {
        "flat": np.array([-1, size * size * 3], np.int64),
        "dense": rng.normal(0, 2e-4, (size * size * 3, 10)).astype(np.float32),
        "middle": rng.uniform(4, 20, 10).astype(np.float32),
        "pairs": np.array([-1, 5, 2], np.int64),
        "white": np.array(255, np.float32),
        "axes": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "dense"], ["moved"]),
        helper.make_node("Add", ["moved", "middle"], ["numbers"]),
        helper.make_node("Reshape", ["numbers", "pairs"], ["points"]),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["light"], keepdims=0),
        helper.make_node("Div", ["light", "white"], ["score"]),
    ]
    outputs = [helper.make_tensor_value_info("points", TensorProto.FLOAT, ["batch", 5, 2])]
    if score:
        outputs.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"]))
    graph = helper.make_graph(
        nodes,
        "five points",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 3])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    card = replace(
        LandmarkSession(FKDNET, "cpu").card,
        scheme=FIVE,
        input=InputSpec(size, 3),
        output=OutputSpec(score=score),
        convention=None,
        conventions={},
        crop=CropRule(1.6, (0.05, -0.1), "black"),
        box_rules=rules,
    )
    return save(path, model, card)


@dataclass(frozen=True)
class GraphAndPipeline:
    """An end-to-end graph and the pipeline it must equal."""

    session: onnxruntime.InferenceSession
    pipeline: Any

    @classmethod
    def of(cls, parts: Parts, **options: float) -> GraphAndPipeline:
        thresholds = parts.face_filter(**options)
        model = parts.graph(thresholds).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return cls(session, parts.pipeline(thresholds))

    def faces(self, image: Pixels) -> list[Face]:
        """The pipeline's faces, after asserting that the graph's are equal."""
        expected: list[Face] = self.pipeline(image)
        names = [output.name for output in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(None, {"image": image}), strict=True))
        count, points = self.pipeline.card.landmarks.count, outputs["points"]
        assert {name: len(outputs[name]) for name in names} == dict.fromkeys(names, len(expected))
        assert outputs["boxes"].shape[1:] == (4,)
        assert points.shape[1:] == (count, 2)
        assert all(outputs[name].dtype == np.float32 for name in names)
        assert ("presence" in names) == self.pipeline.card.output.score
        assert ("spread" in names) == self.pipeline.card.output.spread
        for number, face in enumerate(expected):
            np.testing.assert_allclose(outputs["boxes"][number], face.box, atol=1e-3)
            assert outputs["scores"][number] == pytest.approx(face.score, abs=1e-4)
            assert np.linalg.norm(points[number] - face.points, axis=-1).max() <= EXACT_PX
            if "presence" in names:
                assert outputs["presence"][number] == pytest.approx(face.presence, abs=1e-3)
            if "spread" in names:
                assert face.spread is not None
                np.testing.assert_allclose(outputs["spread"][number], face.spread, rtol=0.02)
        return expected


@pytest.mark.parametrize("scale", [0.2, 0.7, 1, 1.91, 3, 7.3])
def test_small_and_large_faces_have_the_pipelines_points(
    scale: float, astronaut: Pixels, tmp_path: Path
) -> None:
    image = cv2.resize(astronaut[:401, :455], None, fx=scale, fy=scale)
    boxes = np.concatenate([FACE, moved(-9, -14, 9, 10), moved(12, 5, -8, -12)]) * scale
    rule = BoxRule(1.05, (0.01, -0.03))
    model = detector(tmp_path / "d.onnx", boxes, [0.9, 0.8, 0.7], rule)
    faces = GraphAndPipeline.of(Parts.of(FKDNET, model)).faces(np.asarray(image, np.uint8))
    assert len(faces) >= 2


def test_faces_at_and_outside_the_border(astronaut: Pixels, tmp_path: Path) -> None:
    image = np.ascontiguousarray(astronaut[100:301, 200:333])
    face = moved(-200, -100, -200, -100)
    boxes = [*face, *(face + 60), [-30, 150, 90, 260], [-500, -500, -400, -400], [0, 0, 300, 300]]
    model = detector(tmp_path / "d.onnx", boxes, np.linspace(0.9, 0.6, 5), BoxRule(1.0))
    assert len(GraphAndPipeline.of(Parts.of(FKDNET, model), min_presence=0.0).faces(image)) == 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (63, 65)])
def test_tiny_images(shape: tuple[int, int], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    boxes = [[0, 0, 1, 1], [-3, -2, 8, 9]]
    model = detector(tmp_path / "d.onnx", boxes, [0.9, 0.8], BoxRule(1.0))
    assert len(GraphAndPipeline.of(Parts.of(FKDNET, model), min_presence=0.0).faces(image)) == 2


@pytest.mark.parametrize("network", [FKDNET, NAIMISHNET], ids=["with a score", "without"])
@pytest.mark.parametrize("scores", [[], [0.49, 0.3]], ids=["none", "unlikely"])
def test_no_face_is_no_error(
    network: Path, scores: list[float], astronaut: Pixels, tmp_path: Path
) -> None:
    boxes = np.repeat(FACE, len(scores), axis=0)
    model = detector(tmp_path / "d.onnx", boxes, scores, BoxRule(1.0))
    assert GraphAndPipeline.of(Parts.of(network, model)).faces(astronaut) == []


def test_faces_of_low_presence_are_dropped(astronaut: Pixels, tmp_path: Path) -> None:
    boxes = np.concatenate([FACE - 150, FACE, moved(100, 250, 120, 270)])
    model = detector(tmp_path / "d.onnx", boxes, [0.9, 0.8, 0.7], BoxRule(1.0))
    parts = Parts.of(FKDNET, model)
    (face,) = GraphAndPipeline.of(parts).faces(astronaut)
    assert face.score == pytest.approx(0.8)
    assert len(GraphAndPipeline.of(parts, min_presence=0.0).faces(astronaut)) == 3
    assert len(GraphAndPipeline.of(parts, min_score=0.85, min_presence=0.0).faces(astronaut)) == 1


def test_boxes_without_area_are_dropped(astronaut: Pixels, tmp_path: Path) -> None:
    boxes = [FACE[0], [10, 10, 10, 40], [50, 50, 20, 90]]
    model = detector(tmp_path / "d.onnx", boxes, [0.7, 0.9, 0.8], BoxRule(1.0))
    assert len(GraphAndPipeline.of(Parts.of(FKDNET, model)).faces(astronaut)) == 1


def test_a_network_without_a_score_keeps_all_detections(astronaut: Pixels, tmp_path: Path) -> None:
    boxes = np.concatenate([FACE, FACE + 130])
    model = detector(tmp_path / "d.onnx", boxes, [0.9, 0.8], BoxRule(1.0))
    assert len(GraphAndPipeline.of(Parts.of(NAIMISHNET, model)).faces(astronaut)) == 2


@pytest.mark.parametrize("score", [True, False])
def test_networks_of_another_scheme_in_colour(
    score: bool, astronaut: Pixels, tmp_path: Path
) -> None:
    boxes = np.concatenate([FACE, FACE * 1.7, [[-20, 400, 100, 560]]])
    model = detector(tmp_path / "d.onnx", boxes, [0.9, 0.8, 0.7], BoxRule(3.0))
    network = five_point_network(tmp_path / "l.onnx", score, {"fkd": BoxRule(0.7, (0.0, 0.1))})
    parts = Parts.of(network, model)
    assert parts.rule == BoxRule(0.7, (0.0, 0.1))
    assert len(GraphAndPipeline.of(parts, min_presence=0.01).faces(astronaut)) == 3


def test_a_scheme_without_a_rule_for_the_detector_is_an_error(tmp_path: Path) -> None:
    network = five_point_network(tmp_path / "l.onnx", True, {})
    with pytest.raises(DetectorError, match="export it with --data"):
        Parts.of(network)


def test_the_shipped_detector_finds_the_same_faces(astronaut: Pixels) -> None:
    both = GraphAndPipeline.of(Parts.of(FKDNET), min_score=0.1)
    tiled = np.tile(cv2.resize(astronaut, (301, 299)), (1, 2, 1))
    faces = [both.faces(image) for image in (astronaut, np.asarray(tiled, np.uint8))]
    assert [len(detected) > 0 for detected in faces] == [True, True]
    for shape in ((1, 1), (33, 64)):
        both.faces(np.full((*shape, 3), 90, np.uint8))


def test_weights_are_stored_once() -> None:
    parts = Parts.of(FKDNET)
    size = len(parts.graph(parts.face_filter()).SerializeToString())
    files = FKDNET.stat().st_size + find_model("fkd-detector", detectors=True).stat().st_size
    assert size < files + 60_000


def test_compare_reports_other_points_and_other_faces(astronaut: Pixels, tmp_path: Path) -> None:
    model = detector(tmp_path / "d.onnx", FACE, [0.9], BoxRule(1.0))
    other = detector(tmp_path / "o.onnx", moved(0, 0, 9, 9), [0.9], BoxRule(1.0))
    none = detector(tmp_path / "n.onnx", FACE, [0.1], BoxRule(1.0))
    parts, out = Parts.of(FKDNET, model), Path("out.onnx")
    pipeline = parts.pipeline(parts.face_filter())
    assert (
        compare(parts.graph(parts.face_filter()), pipeline, [astronaut], "photos", out).faces == 1
    )
    for wrong, report in ((other, "px from the pipeline; the budget"), (none, "0 faces on")):
        graph = Parts.of(FKDNET, wrong).graph(parts.face_filter())
        with pytest.raises(VerificationError, match=report):
            compare(graph, pipeline, [astronaut], "photos", out)


def run(*arguments: str | Path) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(export.main, texts, catch_exceptions=False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file from the command line, and the command's output."""
    out = tmp_path_factory.mktemp("export") / "faces.onnx"
    result = run(SHIPPED_MODELS / "fkdnet.pt", "--end-to-end", "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_the_command_describes_the_file(exported: tuple[Path, str]) -> None:
    path, output = exported
    size, verified, *_ = output.splitlines()
    assert size.startswith(f"{path}: ")
    assert "px from the pipeline" in verified
    assert "input: image (H, W, 3) uint8, BGR, of any size" in output
    assert "points (n, 68, 2), presence (n,), spread (n, 68), float32" in output


def test_the_card_holds_the_cards_of_both_networks(exported: tuple[Path, str]) -> None:
    path, _ = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    card = EndToEndCard.from_metadata(metadata, path)
    assert isinstance(card.landmarks, ModelCard)
    assert isinstance(card.detector, DetectorCard)
    assert card.landmarks.name == "fkdnet"
    assert card.landmarks.parity is not None
    assert card.detector == FkdDetector(DETECTOR_MODEL, provider="cpu").card
    assert (card.min_score, card.min_presence) == (CHECKED_THRESHOLD, 0.5)
    assert card.min_score < card.detector.threshold
    assert card.parity is not None
    assert card.parity.faces > 0
    assert card.parity.largest_px <= 0.1
    assert EndToEndCard.from_metadata({METADATA_KEY: card.to_json()}, path) == card
    with pytest.raises(WrongTaskError, match="finds faces and places points"):
        LandmarkSession(path, "cpu")
    with pytest.raises(WrongTaskError, match="finds faces and places points"):
        FkdDetector(path, provider="cpu")
    wrong = replace(card, min_score=0.5).to_json().replace('"min_score": 0.5', '"min_score": 2.0')
    with pytest.raises(ModelCardError, match="min_score is 2"):
        EndToEndCard.from_metadata({METADATA_KEY: wrong}, path)


def test_the_example_in_the_docs_runs(
    exported: tuple[Path, str], astronaut: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = (DOCS / "how-to" / "export.md").read_text().partition("## One file for everything")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "faces.onnx").write_bytes(exported[0].read_bytes())
    cv2.imwrite(str(tmp_path / "photo.jpg"), astronaut)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "export.md", "exec"), {})


@pytest.mark.parametrize("other", [["--half", "h.pt"], ["--triton", "repo"]])
def test_refuses_options_for_other_files(other: list[str], tmp_path: Path) -> None:
    result = run("run", "--end-to-end", "--out", tmp_path / "x.onnx", *other)
    assert result.exit_code == 2
    assert "--end-to-end cannot be combined with --optimize, --half or --triton" in result.output


def test_refuses_a_detector_model_without_end_to_end(tmp_path: Path) -> None:
    result = run("run", "--out", tmp_path / "x.onnx", "--detector-model", "fkd-detector")
    assert result.exit_code == 2
    assert "--detector-model is for --end-to-end" in result.output


def test_refuses_a_missing_detector_and_a_file_of_another_task(tmp_path: Path) -> None:
    source = load_checkpoint_source(SHIPPED_MODELS / "fkdnet.pt")
    with pytest.raises(ModelFileNotFoundError):
        end_to_end.export_end_to_end(source, tmp_path / "x.onnx", detector="nowhere.onnx")
    with pytest.raises(WrongTaskError):
        Parts.of(FKDNET, FKDNET)


def test_writes_nothing_if_the_comparison_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(end_to_end, "BUDGET_PX", -1.0)
    exported = onnx.load(FKDNET), Verification(Parity(0.0, 0.0, None, "none"), "none")
    # The export itself is slow and tested elsewhere.
    monkeypatch.setattr(end_to_end, "fp32_model", lambda source, out: exported)
    source = load_checkpoint_source(SHIPPED_MODELS / "fkdnet.pt")
    with pytest.raises(VerificationError, match="budget"):
        end_to_end.export_end_to_end(source, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "cache"])


def test_sheets_have_several_faces_and_different_sizes(astronaut: Pixels) -> None:
    pictures = sheets([astronaut] * 8)
    assert len(pictures) == 2
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures)
    assert pictures[0].shape != pictures[1].shape
