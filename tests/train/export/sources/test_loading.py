"""Networks of others are exported as their users describe them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from dot_faces import MEAN, SIZE, STD, write_onnx

from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.choices import Layout, OutputUnit
from fkd_train.errors import NetworkError, VerificationError
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.predict import open_model
from fkd_train.export import landmarks as landmark_export
from fkd_train.export.end_to_end import export_end_to_end
from fkd_train.export.landmarks import ExportedLandmarks, write_landmarks
from fkd_train.export.sources import onnx_file
from fkd_train.export.sources.border import Border
from fkd_train.export.sources.description import Description, InputShape
from fkd_train.export.sources.loading import load_foreign
from fkd_train.export.sources.onnx_graph import bordered_graph
from fkd_train.export.torch_to_onnx import DEFAULT_GRAPH, GraphSettings
from fkd_train.export.verify import BATCHES
from fkd_train.graphs.passes import EXACT_PASSES, Pass
from fkd_train.optimize.landmarks import optimize_landmarks
from fkd_train.runtimes.check import compare_runtimes
from fkd_train.runtimes.inputs import check_inputs
from fkd_train.runtimes.registry import REFERENCE

FACTORY = "dot_faces:network"


def described(scheme: Path, **changes: Any) -> Description:
    """The network as it is."""
    shape = InputShape(SIZE, 3)
    said = Description(scheme=str(scheme), input=shape, mean=MEAN, std=STD, crop=CropRule(1.5))
    return replace(said, **changes)


def export(
    source: str | Path,
    description: Description,
    out: Path,
    data: Path | None = None,
    form: GraphSettings = DEFAULT_GRAPH,
    notes: list[str] | None = None,
) -> ExportedLandmarks:
    heard = [] if notes is None else notes
    loaded = load_foreign(str(source), description, out.stem, data, form, heard.append)
    return write_landmarks(loaded, out)


def test_a_factorys_module_is_exported_with_its_weights(
    dots: Path, weights: Path, dot_faces: Path, tmp_path: Path
) -> None:
    exported = export(FACTORY, described(dots, weights=weights), tmp_path / "m.onnx", dot_faces)
    assert exported.card.architecture == FACTORY
    assert exported.card.accuracy["identity split"].nme < 3
    assert exported.verification.parity.largest_px < 0.01
    predict, sampler = open_model(tmp_path / "m.onnx")
    from fkd_train.data.dataset import load_evaluation

    faces = load_evaluation(dot_faces, "identity", sampler.scheme, colour=True)
    assert evaluate(predict, faces, sampler).accuracy.nme < 3


@pytest.mark.parametrize(
    ("unit", "layout", "batch"),
    [("unit", "nchw", None), ("pixels", "nhwc", None), ("centred", "nchw", 1), ("unit", "nhwc", 1)],
)
def test_an_onnx_file_of_any_layout_and_unit_is_exported(
    unit: OutputUnit,
    layout: Layout,
    batch: int | None,
    dots: Path,
    dot_faces: Path,
    tmp_path: Path,
) -> None:
    theirs = write_onnx(tmp_path / "theirs.onnx", unit, layout, batch)
    said = described(dots, output=unit, input=None)
    exported = export(theirs, said, tmp_path / "mine.onnx", dot_faces)
    assert exported.card.accuracy["identity split"].nme < 3
    session = LandmarkSession(exported.path, "cpu")
    assert len(session.run(np.zeros((5, SIZE, SIZE, 3), np.uint8)).points) == 5


def test_the_crop_is_found_on_annotated_faces(dots: Path, dot_faces: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    said = described(dots, crop=None)
    exported = export(FACTORY, said, tmp_path / "m.onnx", dot_faces, notes=notes)
    assert exported.card.accuracy["identity split"].nme < 3
    assert any(line.startswith("crop: 1.") for line in notes)


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"mean": (0.0,)}, "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
        ({"color": "bgr"}, "--color rgb"),
        ({"output": "pixels"}, "--output unit"),
        ({"output": "centred"}, "--output unit"),
    ],
)
def test_a_statement_that_annotated_faces_refute_is_refused(
    wrong: dict[str, Any],
    option: str,
    dots: Path,
    dot_faces: Path,
    tmp_path: Path,
) -> None:
    said = described(dots, **wrong)
    with pytest.raises(NetworkError, match=f"as stated, its error is .* with {option}"):
        export(FACTORY, said, tmp_path / "m.onnx", dot_faces)
    assert not list(tmp_path.iterdir())


def test_a_refuted_statement_is_taken_at_its_word_on_request(
    dots: Path, dot_faces: Path, tmp_path: Path
) -> None:
    """Also if the crop is not stated, which is then found for each statement."""
    said = described(dots, color="bgr", crop=None)
    with pytest.raises(NetworkError, match="with --color rgb"):
        export(FACTORY, said, tmp_path / "m.onnx", dot_faces)
    export(FACTORY, replace(said, as_stated=True), tmp_path / "m.onnx", dot_faces)


@pytest.mark.parametrize(
    "wrong", [{"mean": (0.0,)}, {"color": "bgr"}, {"unit": "pixels"}, {"range": (0.0, 255.0)}]
)
def test_a_graph_that_does_not_do_what_is_done_by_hand_is_not_written(
    wrong: dict[str, Any], dots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(network: Any, border: Border, *arguments: Any) -> onnx.ModelProto:
        return bordered_graph(network, replace(border, **wrong), *arguments)

    monkeypatch.setattr(onnx_file, "bordered_graph", broken)
    theirs = write_onnx(tmp_path / "theirs.onnx")
    with pytest.raises(VerificationError, match=r"m\.onnx: not written, .* differs"):
        export(theirs, described(dots), tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.onnx"]


def test_points_in_another_unit_are_doubted_without_annotated_faces(
    dots: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    export(FACTORY, described(dots, output="pixels"), tmp_path / "m.onnx", notes=notes)
    assert notes[0] == f"{FACTORY}: without --weights, it has those that its factory gave it"
    assert "is that the unit of its output, and" in notes[1]


def test_stated_box_rules_are_on_the_card(dots: Path, tmp_path: Path) -> None:
    rule = BoxRule(0.6, (0.0, 0.1))
    said = described(dots, boxes=(("fkd", rule),))
    assert export(FACTORY, said, tmp_path / "m.onnx").card.box_rules == {"fkd": rule}


@pytest.mark.parametrize(
    ("source", "form"),
    [
        (FACTORY, GraphSettings(17)),
        ("theirs.onnx", GraphSettings(17, batch=3)),
        (FACTORY, GraphSettings(22, batch=3)),
        ("theirs.onnx", GraphSettings(20)),
    ],
)
def test_opset_and_batch_size_are_as_asked(
    source: str, form: GraphSettings, dots: Path, tmp_path: Path
) -> None:
    if source != FACTORY:
        source = str(write_onnx(tmp_path / source))
    exported = export(source, described(dots), tmp_path / "m.onnx", form=form)
    model = onnx.load(exported.path)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == form.opset
    assert exported.card.opset == form.opset
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert (first.dim_value or None) == form.batch


@pytest.mark.parametrize("source", [FACTORY, "theirs.onnx"])
def test_without_the_border_a_file_takes_float_planes(
    source: str, dots: Path, tmp_path: Path
) -> None:
    if source != FACTORY:
        source = str(write_onnx(tmp_path / source))
    form = GraphSettings(border=False)
    exported = export(source, described(dots), tmp_path / "m.onnx", form=form)
    image = onnx.load(exported.path).graph.input[0].type.tensor_type
    assert image.elem_type == onnx.TensorProto.FLOAT
    assert [dim.dim_value for dim in image.shape.dim[1:]] == [3, SIZE, SIZE]
    with pytest.raises(ValueError, match=r"takes float planes.*export it without --no-border"):
        LandmarkSession(exported.path, "cpu")


@pytest.mark.parametrize("form", [GraphSettings(batch=2), GraphSettings(border=False)])
def test_files_of_every_form_are_checked_in_other_runtimes(
    form: GraphSettings, dots: Path, tmp_path: Path
) -> None:
    exported = export(FACTORY, described(dots), tmp_path / "m.onnx", form=form)
    inputs = check_inputs(exported.path, exported.card)
    sizes = [len(array) for array in inputs.arrays]
    assert sizes == ([2] if form.batch else list(BATCHES))
    results = compare_runtimes(exported.path, inputs, [REFERENCE])
    assert [result.problem for result in results] == [None]


def test_a_pass_that_fails_on_a_graph_of_others_is_left_out(
    dots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_model: onnx.ModelProto) -> onnx.ModelProto:
        raise IndexError("an odd graph")

    passes = (Pass("simplify", failing), *EXACT_PASSES)
    monkeypatch.setattr(landmark_export, "EXACT_PASSES", passes)
    export(write_onnx(tmp_path / "theirs.onnx"), described(dots), tmp_path / "m.onnx")
    assert "left out the pass 'simplify': IndexError: an odd graph" in caplog.text


def test_networks_of_others_are_optimised_and_joined_with_a_detector(
    dots: Path, dot_faces: Path, tmp_path: Path
) -> None:
    rules = (("fkd", BoxRule(0.6, (0.0, 0.1))),)
    said = described(dots, boxes=rules)
    theirs = str(write_onnx(tmp_path / "theirs.onnx", batch=1))
    network = load_foreign(theirs, said, "joined", None, DEFAULT_GRAPH, lambda _: None)
    card = export_end_to_end(network, tmp_path / "joined.onnx").card
    assert card.parity is not None
    assert card.parity.faces > 0
    network = load_foreign(FACTORY, said, "small", dot_faces, DEFAULT_GRAPH, lambda _: None)
    result = optimize_landmarks(network, tmp_path / "optimised", "fp32")
    assert [LandmarkSession(file, "cpu").card.name for file in result.files] == ["small"]
