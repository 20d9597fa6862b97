"""Exported landmark networks equal their checkpoints, or are not written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from repo_paths import SHIPPED_MODELS

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import load_detector, load_landmark_network, save_checkpoint
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
)
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.errors import VerificationError
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.predict import Predict, open_model, torch_predict
from fkd_train.export import landmarks as landmark_export
from fkd_train.export.cards import weights_sha256
from fkd_train.export.landmarks import ExportedLandmarks, export_landmarks
from fkd_train.export.sources import checkpoint as checkpoint_source
from fkd_train.export.torch_to_onnx import landmarks_to_onnx
from fkd_train.models.heads import HEADS
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net


def save(network: LandmarkNet, recipe: LandmarkRecipe, path: Path) -> Path:
    content = {
        "recipe": landmark_recipe_to_dict(recipe),
        "points": 68,
        "weights": network.state_dict(),
    }
    save_checkpoint(path, {**content, "progress": {"epoch": 3}})
    return path


def untrained(name: str, tiny: LandmarkRecipe, path: Path, head: str = "grid") -> Path:
    """The checkpoint of an untrained network."""
    torch.manual_seed(0)
    table: dict[str, Any] = landmark_recipe_to_dict(tiny)
    table["model"] = {"name": name, "size": 64}
    if name == "fkdnet":
        trunk = {"stem": 8, "widths": [16, 32, 64], "depths": [1, 1, 1]}
        table["model"] |= {"trunk": trunk, "head": head, "score": True}
        table["augment"]["unframed"] = 0.2
    recipe = landmark_recipe_from_dict(table)
    network = build_landmark_net(recipe.model.spec(68))
    return save(network, recipe, path)


@pytest.fixture(scope="module", params=["naimishnet", "naimishnet-paper", "fkdnet"])
def checkpoint(
    request: pytest.FixtureRequest, tiny: LandmarkRecipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return untrained(request.param, tiny, tmp_path_factory.mktemp("export") / "last.pt")


@pytest.mark.parametrize("head", [head for head in HEADS if head != "grid"])
def test_every_head_is_exported_for_any_batch(
    head: str, tiny: LandmarkRecipe, tmp_path: Path
) -> None:
    exported = export_landmarks(
        untrained("fkdnet", tiny, tmp_path / "a.pt", head), tmp_path / "a.onnx"
    )
    assert exported.card.parity is not None
    assert exported.card.output.score


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> ExportedLandmarks:
    return export_landmarks(checkpoint, checkpoint.with_suffix(".onnx"))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_onnx_computes_what_torch_computes(
    checkpoint: Path, exported: ExportedLandmarks, count: int
) -> None:
    network, _, _ = load_landmark_network(checkpoint)
    crops = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 1), np.uint8)
    prediction = LandmarkSession(exported.path, "cpu").run(crops)
    expected = torch_predict(network)(crops)
    np.testing.assert_allclose(prediction.points, expected.points, atol=0.01)
    has_score = exported.card.output.score
    assert (prediction.scores is not None) == (expected.scores is not None) == has_score
    if prediction.scores is not None and expected.scores is not None:
        np.testing.assert_allclose(prediction.scores, expected.scores, atol=1e-4)


def test_the_card_describes_the_file(exported: ExportedLandmarks) -> None:
    card = LandmarkSession(exported.path, "cpu").card
    assert card == exported.card
    assert (card.input.size, card.training.epochs, card.opset) == (64, 3, 18)
    assert card.parity is not None
    assert card.parity.largest_px < 0.01
    assert card.parity.faces == "64 drawn faces"
    assert set(card.exporter) == {"torch", "onnx", "onnxscript", "fkd"}


def test_the_file_has_no_external_data_a_dynamic_batch_and_the_opset(
    exported: ExportedLandmarks,
) -> None:
    model = onnx.load(exported.path, load_external_data=False)
    assert not any(t.external_data for t in model.graph.initializer)
    assert {o.domain: o.version for o in model.opset_import}[""] == 18
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert [p.key for p in model.metadata_props if p.key == METADATA_KEY] == [METADATA_KEY]


def test_the_card_has_the_accuracy_on_the_data_set(checkpoint: Path, drawn_data: Path) -> None:
    card = export_landmarks(checkpoint, checkpoint.parent / "measured.onnx", drawn_data).card
    assert card.accuracy["official split"].count == 6
    assert card.parity is not None
    assert card.parity.faces == "6 real faces"


def test_half_rounds_the_weights_before_both_files_are_written(
    checkpoint: Path, tmp_path: Path
) -> None:
    model, half = tmp_path / "m.onnx", tmp_path / "m.pt"
    exported = export_landmarks(checkpoint, model, half=half)
    assert half.stat().st_size < 0.6 * model.stat().st_size
    network, recipe, content = load_landmark_network(half)
    assert {t.dtype for t in content["weights"].values()} <= {torch.float16, torch.int64}
    assert recipe.name == "tiny"
    assert exported.card.training.weights_sha256 == weights_sha256(network)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1), np.uint8)
    prediction = LandmarkSession(model, "cpu").run(crops)
    np.testing.assert_allclose(prediction.points, torch_predict(network)(crops).points, atol=0.01)


def test_the_file_names_no_path_of_this_machine(exported: ExportedLandmarks) -> None:
    content = exported.path.read_bytes()
    assert b"fkd_train" not in content
    assert b"site-packages" not in content


def test_the_accuracy_is_measured_in_the_crops_of_the_runtime(
    checkpoint: Path, drawn_data: Path, tmp_path: Path
) -> None:
    """A network trained on image windows is evaluated in crops around the points."""
    network, recipe, _ = load_landmark_network(checkpoint)
    table: dict[str, Any] = landmark_recipe_to_dict(recipe)
    table["crop"] = {"scale": 2.2, "reference": "image", "resize": 72}
    table["augment"] = {"unframed": table["augment"]["unframed"]}
    windows = save(network, landmark_recipe_from_dict(table), tmp_path / "windows.pt")
    exported = export_landmarks(windows, tmp_path / "m.onnx", drawn_data)
    again = evaluate(*_with_faces(tmp_path / "m.onnx", drawn_data)).accuracy
    assert exported.card.accuracy["official split"].nme == pytest.approx(again.nme, rel=1e-4)


def _with_faces(model: Path, data: Path) -> tuple[Predict, Faces, CropSampler]:
    predict, sampler = open_model(model)
    return predict, read_faces(data, "test"), sampler


def change_a_weight(model: onnx.ModelProto) -> onnx.ModelProto:
    tensor = next(t for t in model.graph.initializer if {136, 204} & set(t.dims))
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[::100] += 0.1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return model


def change_the_normalisation(model: onnx.ModelProto) -> onnx.ModelProto:
    scalars = [t for t in model.graph.initializer if onnx.numpy_helper.to_array(t).size == 1]
    (white,) = [t for t in scalars if onnx.numpy_helper.to_array(t).item() == 255]
    white.CopyFrom(onnx.numpy_helper.from_array(np.array(128, np.float32), white.name))
    return model


@pytest.mark.parametrize("breakage", [change_a_weight, change_the_normalisation])
def test_writes_nothing_if_the_export_is_broken(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breakage: Callable[[Any], Any],
) -> None:
    monkeypatch.setattr(
        checkpoint_source, "landmarks_to_onnx", lambda *given: breakage(landmarks_to_onnx(*given))
    )
    with pytest.raises(VerificationError, match=r"broken\.onnx: not written.*px at face .*point"):
        export_landmarks(checkpoint, tmp_path / "broken.onnx")
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_if_outputs_are_nan(tiny: LandmarkRecipe, tmp_path: Path) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    path = save(network, tiny, tmp_path / "last.pt")
    with pytest.raises(VerificationError):
        export_landmarks(path, tmp_path / "nan.onnx")
    assert not (tmp_path / "nan.onnx").exists()


def test_an_existing_file_stays_if_verification_fails(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmark_export, "FP32_BUDGET_PX", -1.0)
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the old file")
    with pytest.raises(VerificationError):
        export_landmarks(checkpoint, out)
    assert out.read_bytes() == b"the old file"


def test_the_digest_changes_with_the_weights(tiny: LandmarkRecipe) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    before = weights_sha256(network)
    assert before == weights_sha256(network)
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    assert weights_sha256(network) != before


@pytest.mark.parametrize("name", ["fkdnet", "fkdnet-large", "naimishnet"])
def test_shipped_files_have_the_weights_of_their_checkpoints(name: str) -> None:
    digest = weights_sha256(load_landmark_network(SHIPPED_MODELS / f"{name}.pt")[0])
    for file in [SHIPPED_MODELS / f"{name}.onnx", *SHIPPED_MODELS.glob(f"{name}-int8.onnx")]:
        assert LandmarkSession(file, "cpu").card.training.weights_sha256 == digest


def test_the_shipped_detector_has_the_weights_of_its_checkpoint() -> None:
    digest = weights_sha256(load_detector(SHIPPED_MODELS / "fkd-detector.pt")[0])
    files = list(SHIPPED_MODELS.glob("fkd-detector*.onnx"))
    assert files
    for file in files:
        assert FkdDetector(file, provider="cpu").card.training.weights_sha256 == digest
