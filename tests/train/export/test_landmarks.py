"""Export: proven equal, or no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from repo_paths import SHIPPED_MODELS

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import ModelCard
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
from fkd_train.evaluation.accuracy import Predict, evaluate, open_model, torch_predict
from fkd_train.export import landmarks as exporting
from fkd_train.export.landmarks import export
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
    """An untrained network; what it computes does not matter, that it is the same does."""
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
    exported = export(untrained("fkdnet", tiny, tmp_path / "a.pt", head), tmp_path / "a.onnx")
    assert exported.card.parity is not None
    assert exported.card.output.score


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> exporting.Exported:
    return export(checkpoint, checkpoint.with_suffix(".onnx"))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_onnx_computes_what_torch_computes(
    checkpoint: Path, exported: exporting.Exported, count: int
) -> None:
    network, _, _ = load_landmark_network(checkpoint)
    crops = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 1), np.uint8)
    found = LandmarkSession(exported.path, "cpu").run(crops)
    wanted = torch_predict(network)(crops)
    np.testing.assert_allclose(found.points, wanted.points, atol=0.01)
    assert (found.scores is None) == (wanted.scores is None) == (not exported.card.output.score)
    if found.scores is not None and wanted.scores is not None:
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)


def test_the_file_describes_itself(exported: exporting.Exported) -> None:
    card = LandmarkSession(exported.path, "cpu").card
    assert card == exported.card
    assert (card.input.size, card.training.epochs, card.opset) == (64, 3, 18)
    assert card.parity is not None
    assert card.parity.largest_px < 0.01
    assert card.parity.faces == "64 drawn faces"
    assert set(card.exporter) == {"torch", "onnx", "onnxscript", "fkd"}


def test_the_file_is_one_with_a_free_batch_and_the_asked_for_opset(
    exported: exporting.Exported,
) -> None:
    model = onnx.load(exported.path, load_external_data=False)
    assert not any(t.external_data for t in model.graph.initializer)
    assert {o.domain: o.version for o in model.opset_import}[""] == 18
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert [p.key for p in model.metadata_props if p.key == METADATA_KEY] == [METADATA_KEY]


def test_real_faces_give_the_card_its_accuracy(checkpoint: Path, drawn_data: Path) -> None:
    card = export(checkpoint, checkpoint.parent / "measured.onnx", drawn_data).card
    assert card.accuracy["official split"].count == 6
    assert card.parity is not None
    assert card.parity.faces == "6 real faces"


def test_half_precision_rounds_first_so_that_both_files_agree(
    checkpoint: Path, tmp_path: Path
) -> None:
    model, half = tmp_path / "m.onnx", tmp_path / "m.pt"
    exported = export(checkpoint, model, half=half)
    assert half.stat().st_size < 0.6 * model.stat().st_size
    network, recipe, content = load_landmark_network(half)
    assert {t.dtype for t in content["weights"].values()} <= {torch.float16, torch.int64}
    assert recipe.name == "tiny"
    assert exported.card.training.weights_sha256 == exporting.weights_sha256(network)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1), np.uint8)
    found = LandmarkSession(model, "cpu").run(crops)
    np.testing.assert_allclose(found.points, torch_predict(network)(crops).points, atol=0.01)


def test_the_file_names_no_place_of_the_machine_that_made_it(exported: exporting.Exported) -> None:
    content = exported.path.read_bytes()
    assert b"fkd_train" not in content
    assert b"site-packages" not in content


def test_the_card_measures_what_the_runtime_cuts(
    checkpoint: Path, drawn_data: Path, tmp_path: Path
) -> None:
    """A network that was trained on windows of the image is judged in crops around points."""
    network, recipe, _ = load_landmark_network(checkpoint)
    table: dict[str, Any] = landmark_recipe_to_dict(recipe)
    table["crop"] = {"scale": 2.2, "reference": "image", "resize": 72}
    table["augment"] = {"unframed": table["augment"]["unframed"]}
    windows = save(network, landmark_recipe_from_dict(table), tmp_path / "windows.pt")
    exported = export(windows, tmp_path / "m.onnx", drawn_data)
    again = evaluate(*_with_faces(tmp_path / "m.onnx", drawn_data)).accuracy
    assert exported.card.accuracy["official split"].nme == pytest.approx(again.nme, rel=1e-4)


def _with_faces(model: Path, data: Path) -> tuple[Predict, Faces, CropSampler]:
    predict, sampler = open_model(model)
    return predict, read_faces(data, "test"), sampler


def change_a_weight(model: onnx.ModelProto, _card: ModelCard) -> onnx.ModelProto:
    tensor = next(t for t in model.graph.initializer if {136, 204} & set(t.dims))
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[::100] += 0.1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return model


def change_the_normalisation(model: onnx.ModelProto, _card: ModelCard) -> onnx.ModelProto:
    scalars = [t for t in model.graph.initializer if onnx.numpy_helper.to_array(t).size == 1]
    (white,) = [t for t in scalars if onnx.numpy_helper.to_array(t).item() == 255]
    white.CopyFrom(onnx.numpy_helper.from_array(np.array(128, np.float32), white.name))
    return model


@pytest.mark.parametrize("breakage", [change_a_weight, change_the_normalisation])
def test_a_broken_export_ships_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breakage: object
) -> None:
    own = exporting._to_onnx
    monkeypatch.setattr(exporting, "_to_onnx", lambda n, c: breakage(own(n, c), c))  # type: ignore[operator]
    with pytest.raises(VerificationError, match=r"broken\.onnx: not written.*px at face .*point"):
        export(checkpoint, tmp_path / "broken.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_answers_nan_ships_nothing(tiny: LandmarkRecipe, tmp_path: Path) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    path = save(network, tiny, tmp_path / "last.pt")
    with pytest.raises(VerificationError):
        export(path, tmp_path / "nan.onnx")
    assert not (tmp_path / "nan.onnx").exists()


def test_a_file_that_was_there_stays_when_the_check_fails(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FP32_BUDGET_PX", -1.0)
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the one before")
    with pytest.raises(VerificationError):
        export(checkpoint, out)
    assert out.read_bytes() == b"the one before"


def test_the_weights_digest_names_the_weights(tiny: LandmarkRecipe) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    before = exporting.weights_sha256(network)
    assert before == exporting.weights_sha256(network)
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    assert exporting.weights_sha256(network) != before


@pytest.mark.parametrize("name", ["fkdnet", "naimishnet"])
def test_shipped_files_and_checkpoints_hold_the_same_weights(name: str) -> None:
    digest = exporting.weights_sha256(load_landmark_network(SHIPPED_MODELS / f"{name}.pt")[0])
    files = [file for file in SHIPPED_MODELS.glob("*.onnx") if file.stem.partition("-")[0] == name]
    assert files
    for file in files:
        assert LandmarkSession(file, "cpu").card.training.weights_sha256 == digest


def test_the_shipped_detector_and_its_checkpoint_hold_the_same_weights() -> None:
    digest = exporting.weights_sha256(load_detector(SHIPPED_MODELS / "fkd-detector.pt")[0])
    files = list(SHIPPED_MODELS.glob("fkd-detector*.onnx"))
    assert files
    for file in files:
        assert FkdDetector(file, provider="cpu").card.training.weights_sha256 == digest
