"""Loading networks: what is asked for is used, or one line says why not."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from known import MODELS, SIZE, fixed_points

from fkd_infer import session as sessions
from fkd_infer.errors import (
    InvalidModelError,
    ModelCardError,
    ModelFileNotFoundError,
    ProviderError,
    RuntimeInstallError,
)
from fkd_infer.names import DEFAULT_MODEL
from fkd_infer.session import LandmarkSession, find_model, import_onnxruntime, shipped_models
from fkd_infer.settings import SessionSettings


def crops(*grays: int) -> np.ndarray:
    return np.stack([np.full((SIZE, SIZE, 1), gray, np.uint8) for gray in grays])


def test_the_answer_is_the_networks_for_each_of_a_batch(fixed_model: Path) -> None:
    found = LandmarkSession(fixed_model, "cpu").run(crops(0, 255, 51)).points
    wanted = fixed_points() + np.array([0, 1, 0.2]).reshape(3, 1, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_empty_batch_has_an_empty_answer(fixed_model: Path) -> None:
    assert LandmarkSession(fixed_model, "cpu").run(crops(0)[:0]).points.shape == (0, 68, 2)


def test_the_default_model_comes_with_the_package() -> None:
    assert DEFAULT_MODEL in shipped_models()
    assert find_model(DEFAULT_MODEL).is_file()


def test_an_unknown_model_names_the_shipped_ones() -> None:
    with pytest.raises(ModelFileNotFoundError, match=f"nosuch.onnx.*{DEFAULT_MODEL}"):
        find_model("nosuch.onnx")


def test_a_model_without_a_card_is_refused() -> None:
    with pytest.raises(ModelCardError, match=r"no_card\.onnx.*fkd-export"):
        LandmarkSession(MODELS / "no_card.onnx", "cpu")


def test_a_graph_that_is_not_what_its_card_says_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="its card says"):
        LandmarkSession(MODELS / "wrong_output.onnx", "cpu")


def test_a_card_that_promises_a_score_is_held_to_it() -> None:
    with pytest.raises(InvalidModelError, match="score"):
        LandmarkSession(MODELS / "no_score.onnx", "cpu")


def test_scores_come_with_the_points(fixed_model: Path) -> None:
    scored = LandmarkSession(MODELS / "scored.onnx", "cpu")
    points, scores = scored.run(crops(0, 255, 51))
    assert points.shape == (3, 68, 2)
    assert scores is not None
    np.testing.assert_allclose(scores, [0, 1, 0.2], atol=1e-5)
    none = scored.run(crops(0)[:0]).scores
    assert none is not None
    assert none.shape == (0,)
    assert LandmarkSession(fixed_model, "cpu").run(crops(0)).scores is None


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(InvalidModelError, match=r"text\.onnx"):
        LandmarkSession(path, "cpu")


def fake_runtime(offered: list[str], started: list[str]) -> SimpleNamespace:
    """An onnxruntime that offers providers, of which a session starts some."""

    def session(
        _path: Path, _options: object, providers: list[str], enable_fallback: int
    ) -> SimpleNamespace:
        assert not enable_fallback
        active = [name for name in providers if name in started]
        return SimpleNamespace(get_providers=lambda: active)

    return SimpleNamespace(
        get_available_providers=lambda: offered,
        preload_dlls=lambda: print("Failed to load libcudnn"),
        SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda *_: None),
        GraphOptimizationLevel=SimpleNamespace(ORT_ENABLE_ALL=99),
        InferenceSession=session,
    )


ONE_THREAD = SessionSettings(1)
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_cuda_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"'cuda'.*usable: cpu.*fkd\[gpu\]"):
        sessions._open(fake_runtime([CPU], [CPU]), Path("m"), "cuda", ONE_THREAD)


def test_cuda_that_does_not_start_is_an_error_not_a_slow_cpu() -> None:
    with pytest.raises(ProviderError, match="did not start CUDA"):
        sessions._open(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "cuda", ONE_THREAD)


def test_a_broken_file_is_not_blamed_on_cuda() -> None:
    runtime = fake_runtime([CUDA, CPU], [CUDA, CPU])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("protobuf parsing failed")

    runtime.InferenceSession = fail
    with pytest.raises(InvalidModelError, match="protobuf parsing failed"):
        sessions._open(runtime, Path("m"), "cuda", ONE_THREAD)


def test_auto_takes_cuda_where_it_starts() -> None:
    opened = sessions._open(fake_runtime([CUDA, CPU], [CUDA, CPU]), Path("m"), "auto", ONE_THREAD)
    assert opened.get_providers()[0] == CUDA


def test_auto_says_that_it_goes_on_with_the_cpu(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = sessions._open(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "auto", ONE_THREAD)
    assert opened.get_providers() == [CPU]
    assert "did not start CUDA" in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("installed", [(), ("onnxruntime", "onnxruntime-gpu")])
def test_none_or_two_runtimes_say_how_to_mend_it(
    installed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def distribution(name: str) -> None:
        if name not in installed:
            raise PackageNotFoundError

    monkeypatch.setattr(sessions, "distribution", distribution)
    with pytest.raises(RuntimeInstallError, match=r"pip install 'fkd\[cpu\]'"):
        import_onnxruntime()


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu() -> None:
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        pytest.skip("no CUDA in this onnxruntime")
    on_cpu, on_cuda = (LandmarkSession(DEFAULT_MODEL, p) for p in ("cpu", "cuda"))
    size, channels = on_cpu.card.input.size, on_cpu.card.input.channels
    batch = np.random.default_rng(0).integers(0, 256, (5, size, size, channels), np.uint8)
    assert on_cuda.provider == "cuda"
    np.testing.assert_allclose(on_cuda.run(batch).points, on_cpu.run(batch).points, atol=0.05)
