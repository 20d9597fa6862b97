"""The provider that was asked for is used, wholly, or an error says why not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_onnxruntime import CPU, CUDA, POINTS, FakeRuntime
from tiny_models import MODELS

from fkd_infer.errors import InvalidModelError, OutOfMemoryError, ProviderError
from fkd_infer.runtime import libraries, start
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.proof import LandmarkProof
from fkd_infer.runtime.providers import registry
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import Started, start_session

MODEL = MODELS / "scored.onnx"
OPENVINO, WEBGPU = "OpenVINOExecutionProvider", "WebGpuExecutionProvider"


@pytest.fixture(autouse=True)
def whole_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library is missing, no plug-in installed, and no line was logged before."""
    monkeypatch.setattr(libraries, "_load", lambda *_: "")
    monkeypatch.setattr(libraries, "_registered", set())
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    start._say_once.cache_clear()
    start._warn_once.cache_clear()


def run(runtime: FakeRuntime, asked: str | ProviderChoice = "cuda", path: Path = MODEL) -> Started:
    choice = ProviderChoice.of(asked)
    return start_session(runtime, path, choice, SessionSettings(1), LandmarkProof(96, 1))


def plug_in(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, *devices: Any) -> None:
    """Installs every plug-in, with these devices."""
    monkeypatch.setattr(registry, "find_spec", lambda _: object())
    module = SimpleNamespace(get_library_path=lambda: "library.so")
    monkeypatch.setattr(libraries, "import_module", lambda _: module)
    runtime.devices.extend(devices)


def device(provider: str, name: str = "") -> SimpleNamespace:
    return SimpleNamespace(ep_name=provider, ep_metadata={"ov_device": name})


def test_cuda_raises_if_it_is_not_installed() -> None:
    with pytest.raises(
        ProviderError,
        match=r"'cuda'.*installed: cpu.*uninstall -y onnxruntime && pip install 'onnxruntime-gpu",
    ):
        run(FakeRuntime([CPU]))


def test_a_provider_of_another_system_is_not_to_be_installed() -> None:
    with pytest.raises(ProviderError, match="DirectML is for Windows; choose another"):
        run(FakeRuntime([CPU]), "directml")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "_load", lambda name, *_: f"{name}: cannot open")
    with pytest.raises(
        ProviderError, match=r"CUDA did not start: libcuda\.so\.1: cannot open; .*doctor"
    ):
        run(FakeRuntime([CUDA, CPU]))


def test_a_broken_file_is_not_reported_as_a_failure_of_cuda() -> None:
    def fail(_: Sequence[str]) -> None:
        raise RuntimeError("protobuf parsing failed")

    with pytest.raises(InvalidModelError, match="protobuf parsing failed"):
        run(FakeRuntime([CUDA, CPU], [CUDA, CPU], load=fail))


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_a_provider_that_answers_as_the_cpu_does_is_used(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    started = run(FakeRuntime([CUDA, CPU], [CUDA, CPU]), asked)
    assert (started.on, started.session.get_providers()[0]) == ("cuda:0", CUDA)
    said = ["auto: networks run on CUDA, which answers as the CPU does"]
    assert [record.message for record in caplog.records] == (said if asked == "auto" else [])


def fails_at_the_first_convolution(_: object) -> Any:
    raise RuntimeError("NOT_IMPLEMENTED : Conv needs cuDNN")


def test_a_session_that_starts_and_fails_at_the_first_batch_is_refused() -> None:
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU], answers={CUDA: fails_at_the_first_convolution})
    with pytest.raises(
        ProviderError, match=r"CUDA started, but failed at the first batch: .*cuDNN"
    ):
        run(runtime)


def test_auto_says_in_one_line_why_it_runs_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU], answers={CUDA: fails_at_the_first_convolution})
    for _ in range(2):  # a landmark network and a detector
        assert run(runtime, "auto").on == "cpu"
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("auto: networks run on the CPU (CUDA started, but failed at the first")
    assert line.endswith("see what is missing with: fkd-infer doctor")


@pytest.mark.parametrize("wrong", [POINTS + 3, np.full_like(POINTS, np.nan)])
def test_another_answer_than_the_cpus_is_refused(wrong: np.ndarray) -> None:
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU], answers={CUDA: lambda _: [wrong]})
    with pytest.raises(ProviderError, match=r"something else: its points are .* px from the CPU's"):
        run(runtime)


def test_one_moved_point_and_rounding_are_no_other_answer() -> None:
    near = POINTS + 0.01
    near[0, 7] += 5
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU], answers={CUDA: lambda _: [near]})
    assert run(runtime).on == "cuda:0"


def test_nodes_that_fall_to_the_cpu_are_counted_and_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fallen = [("a", "TopK"), ("b", "TopK"), ("c", "Loop")]
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU], on_cpu={CUDA: fallen})
    with pytest.raises(
        ProviderError, match=r"CUDA leaves 3 nodes \(2 TopK, 1 Loop\) to the CPU; --allow-fallback"
    ):
        run(runtime)
    started = run(runtime, ProviderChoice("cuda", allow_fallback=True))
    assert started.on_cpu == {"TopK": 2, "Loop": 1}
    assert "CUDA leaves 3 nodes (2 TopK, 1 Loop) to the CPU" in caplog.text


def test_options_of_the_provider_reach_it_and_its_device_too() -> None:
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU])
    started = run(runtime, ProviderChoice("cuda", "1", CudaSettings(memory=1 << 30, tf32=False)))
    given = runtime.sessions[-1].options
    assert started.on == "cuda:1"
    assert (given["device_id"], given["gpu_mem_limit"], given["use_tf32"]) == (
        "1",
        str(1 << 30),
        "0",
    )


def test_the_proof_is_not_recorded_as_a_graph() -> None:
    runtime = FakeRuntime([CUDA, CPU], [CUDA, CPU])
    run(runtime, ProviderChoice("cuda", settings=CudaSettings(graphs=True)))
    assert runtime.entries["gpu_graph_id"] == "-1"


def out_of_memory(names: Sequence[str]) -> None:
    if CUDA in names:
        raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of 512")


def test_a_full_gpu_is_reported_as_the_reason() -> None:
    with pytest.raises(ProviderError, match="the GPU has not enough free memory to load"):
        run(FakeRuntime([CUDA, CPU], [CUDA, CPU], load=out_of_memory))


def test_a_full_machine_raises() -> None:
    def fail(_: Sequence[str]) -> None:
        raise RuntimeError("std::bad_alloc")

    with pytest.raises(OutOfMemoryError, match="this machine has not enough free memory"):
        run(FakeRuntime([CPU], load=fail), "auto")


def test_a_plugin_runs_on_the_device_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime([CPU], [OPENVINO, CPU])
    plug_in(monkeypatch, runtime, device(OPENVINO, "CPU"), device(OPENVINO, "GPU.0"))
    assert run(runtime, "openvino:GPU").on == "openvino:GPU.0"
    assert run(runtime, "openvino:CPU").on == "openvino:CPU"
    assert run(runtime, "openvino").on == "openvino:GPU.0"
    with pytest.raises(ProviderError, match=r"it has no NPU here, but CPU, GPU\.0"):
        run(runtime, "openvino:NPU")


def test_auto_leaves_out_plugins_without_a_device(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = FakeRuntime([CPU], [OPENVINO, CPU])
    plug_in(monkeypatch, runtime, device(OPENVINO, "CPU"))
    assert run(runtime, "auto").on == "cpu", "OpenVINO's CPU is for those who ask for it"
    assert caplog.text == ""


def test_a_plugin_whose_library_does_not_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime([CPU])
    plug_in(monkeypatch, runtime)

    def fail(*_: object) -> None:
        raise RuntimeError("ORT runtime version 1.23 is below the minimum")

    monkeypatch.setattr(runtime, "register_execution_provider_library", fail)
    with pytest.raises(ProviderError, match="WebGPU did not start: RuntimeError: ORT runtime ver"):
        run(runtime, "webgpu")


def test_a_missing_loader_explains_why_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime([CPU])
    plug_in(monkeypatch, runtime)
    monkeypatch.setattr(libraries, "_load", lambda name, *_: f"{name}: cannot open")
    with pytest.raises(ProviderError, match=r"no device here: libvulkan\.so\.1: cannot open"):
        run(runtime, "webgpu")
