"""Sessions: loading, batches, memory."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tiny_models import MODELS, SIZE, card, fixed_points

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.errors import (
    InferenceError,
    InstallError,
    InvalidModelError,
    ModelCardError,
    ModelFileNotFoundError,
    OutOfMemoryError,
)
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.shipped import find_model, shipped_models
from fkd_infer.runtime import session as sessions
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.session import LandmarkSession


def crops(*grays: int) -> np.ndarray:
    return np.stack([np.full((SIZE, SIZE, 1), gray, np.uint8) for gray in grays])


def test_returns_the_networks_points_for_each_crop(fixed_model: Path) -> None:
    points = LandmarkSession(fixed_model, "cpu").run(crops(0, 255, 51)).points
    expected = fixed_points() + np.array([0, 1, 0.2]).reshape(3, 1, 1)
    np.testing.assert_allclose(points, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_network_for_batches_of_three_takes_any_number_of_crops(
    count: int, fixed_model: Path
) -> None:
    batch = crops(*range(count))
    points = LandmarkSession(MODELS / "batches_of_three.onnx", "cpu").run(batch).points
    np.testing.assert_array_equal(points, LandmarkSession(fixed_model, "cpu").run(batch).points)


def test_refuses_a_network_for_other_programs() -> None:
    with pytest.raises(InvalidModelError, match=r"planes\.onnx: .*export it without --no-border"):
        LandmarkSession(MODELS / "planes.onnx", "cpu")


def test_an_empty_batch_returns_no_points(fixed_model: Path) -> None:
    assert LandmarkSession(fixed_model, "cpu").run(crops(0)[:0]).points.shape == (0, 68, 2)


def test_the_default_model_is_shipped() -> None:
    assert DEFAULT_MODEL in shipped_models()
    assert find_model(DEFAULT_MODEL).is_file()


def test_an_unknown_model_raises_with_the_shipped_names() -> None:
    with pytest.raises(ModelFileNotFoundError, match=f"nosuch.onnx.*{DEFAULT_MODEL}"):
        find_model("nosuch.onnx")


def test_a_model_without_a_card_raises() -> None:
    with pytest.raises(ModelCardError, match=r"no_card\.onnx.*fkd-export"):
        LandmarkSession(MODELS / "no_card.onnx", "cpu")


def test_a_graph_that_differs_from_its_card_raises() -> None:
    with pytest.raises(InvalidModelError, match="its card says"):
        LandmarkSession(MODELS / "wrong_output.onnx", "cpu")


def test_a_missing_score_output_raises() -> None:
    with pytest.raises(InvalidModelError, match="score"):
        LandmarkSession(MODELS / "no_score.onnx", "cpu")


def test_returns_scores_with_the_points(fixed_model: Path) -> None:
    scored = LandmarkSession(MODELS / "scored.onnx", "cpu")
    points, scores, _ = scored.run(crops(0, 255, 51))
    assert points.shape == (3, 68, 2)
    assert scores is not None
    np.testing.assert_allclose(scores, [0, 1, 0.2], atol=1e-5)
    none = scored.run(crops(0)[:0]).scores
    assert none is not None
    assert none.shape == (0,)
    assert LandmarkSession(fixed_model, "cpu").run(crops(0)).scores is None


def test_contiguous_crops_are_not_copied(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    batches: list[np.ndarray] = []
    original = onnxruntime.InferenceSession.run

    def run(self: object, names: None, feed: dict[str, np.ndarray]) -> object:
        batches.append(feed["image"])
        return original(self, names, feed)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    batch = crops(0, 51)
    LandmarkSession(fixed_model, "cpu").run(batch)
    assert batches[0] is batch
    value = onnxruntime.OrtValue.ortvalue_from_numpy(batch)
    assert value.data_ptr() == batch.ctypes.data


def test_strided_crops_return_the_same_points(fixed_model: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (3, SIZE, 2 * SIZE, 2), np.uint8)
    strided = wide[::-1, :, ::2, :1]
    assert not strided.flags.c_contiguous
    session = LandmarkSession(fixed_model, "cpu")
    expected = session.run(np.ascontiguousarray(strided)).points
    np.testing.assert_array_equal(session.run(strided).points, expected)


def test_running_out_of_memory_for_one_crop_raises(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = LandmarkSession(fixed_model, "cpu")

    def fail(_: object) -> list[np.ndarray]:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(session, "_run_batch", fail)
    with pytest.raises(OutOfMemoryError, match="not enough free memory for a batch of 1"):
        session.run(crops(0, 1))


def test_batches_shrink_when_memory_runs_out_and_stay_small(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = LandmarkSession(MODELS / "scored.onnx", "cpu")
    batch = crops(*range(11))
    expected, run_batch, sizes = session.run(batch), session._run_batch, []

    def run_small(part: np.ndarray) -> list[np.ndarray]:
        sizes.append(len(part))
        if len(part) > 3:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")
        return run_batch(part)

    monkeypatch.setattr(session, "_run_batch", run_small)
    for _ in range(2):
        prediction = session.run(batch)
        np.testing.assert_array_equal(prediction.points, expected.points)
        np.testing.assert_array_equal(prediction.scores, expected.scores)
    assert sizes == [11, 6, 3, 3, 3, 2, 3, 3, 3, 2]
    assert "too little memory for 11 faces at once; going on with 6" in caplog.text


def test_other_errors_of_the_runtime_raise(fixed_model: Path) -> None:
    with pytest.raises(InferenceError, match=r"could not be run for a batch of 1: .*dimensions"):
        LandmarkSession(fixed_model, "cpu").run(crops(0)[:, 1:])


def test_a_text_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(InvalidModelError, match=r"text\.onnx"):
        LandmarkSession(path, "cpu")


@pytest.mark.parametrize("installed", [(), ("onnxruntime", "onnxruntime-gpu")])
def test_none_or_two_runtimes_raise_with_a_fix(
    installed: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in installed:
        (tmp_path / f"{name.replace('-', '_')}-1.0.dist-info").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path / "absent"), str(tmp_path)])
    with pytest.raises(InstallError, match=r"pip install '?onnxruntime"):
        import_onnxruntime()


@pytest.mark.parametrize(
    ("features", "warned"), [(("avx2",), True), (("avx2", "avx_vnni"), False), ((), False)]
)
def test_int8_for_newer_cpus_warns(
    features: tuple[str, ...],
    warned: bool,
    fixed_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for_vnni = replace(card(), platform="vnni")
    monkeypatch.setattr(ModelCard, "from_metadata", lambda *_: for_vnni)
    monkeypatch.setattr(sessions, "cpu_features", lambda: features)
    LandmarkSession(fixed_model, "cpu")
    assert ("--platform any" in caplog.text) is warned


@pytest.mark.parametrize("module", [None, ModuleType("onnxruntime")])
def test_a_runtime_that_is_half_removed_is_one_line(
    module: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    with pytest.raises(InstallError, match="onnxruntime cannot be imported") as caught:
        import_onnxruntime()
    assert "\n" not in str(caught.value)
    assert (caught.value.fix or "").startswith("pip install --force-reinstall --no-deps onnxrun")
