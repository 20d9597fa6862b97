"""The provider that was asked for is used, or an error says why not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fkd_infer.errors import InvalidModelError, OutOfMemoryError, ProviderError
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session


def fake_runtime(offered: list[str], started: list[str]) -> SimpleNamespace:
    """An onnxruntime with the providers `offered`, of which sessions start only `started`."""

    def session(
        _path: Path,
        _options: object,
        providers: list[tuple[str, dict[str, str]]],
        enable_fallback: int,
    ) -> SimpleNamespace:
        assert not enable_fallback
        active = [name for name, _ in providers if name in started]
        return SimpleNamespace(get_providers=lambda: active)

    return SimpleNamespace(
        get_available_providers=lambda: offered,
        preload_dlls=lambda: print("Failed to load libcudnn: no such file\nSee …"),
        SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda *_: None),
        GraphOptimizationLevel=SimpleNamespace(ORT_ENABLE_ALL=99),
        InferenceSession=session,
    )


ONE_THREAD, PLAIN = SessionSettings(1), CudaSettings()
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_cuda_raises_if_it_is_not_installed() -> None:
    with pytest.raises(ProviderError, match=r"'cuda'.*usable: cpu.*fkd\[gpu\]"):
        start_session(fake_runtime([CPU], [CPU]), Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_cuda_raises_if_it_does_not_start() -> None:
    with pytest.raises(
        ProviderError, match=r"did not start CUDA.*libcudnn: no such file\).*doctor"
    ):
        start_session(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_a_broken_file_is_not_reported_as_a_failure_of_cuda() -> None:
    runtime = fake_runtime([CUDA, CPU], [CUDA, CPU])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("protobuf parsing failed")

    runtime.InferenceSession = fail
    with pytest.raises(InvalidModelError, match="protobuf parsing failed"):
        start_session(runtime, Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_auto_uses_cuda_if_it_starts() -> None:
    opened = start_session(
        fake_runtime([CUDA, CPU], [CUDA, CPU]), Path("m"), "auto", ONE_THREAD, PLAIN
    )
    assert opened.get_providers()[0] == CUDA


def test_auto_warns_when_it_falls_back_to_the_cpu(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = start_session(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "auto", ONE_THREAD, PLAIN)
    assert opened.get_providers() == [CPU]
    assert "did not start CUDA" in caplog.text
    assert capsys.readouterr().out == ""


def test_passes_options_to_cuda_and_none_to_the_cpu() -> None:
    runtime, passed = fake_runtime([CUDA, CPU], [CUDA, CPU]), []

    def session(*_: object, providers: list[tuple[str, dict[str, str]]], **__: object) -> object:
        passed.extend(providers)
        return SimpleNamespace(get_providers=lambda: [CUDA, CPU])

    runtime.InferenceSession = session
    cuda = CudaSettings(device=1)
    start_session(runtime, Path("m"), "cuda", ONE_THREAD, cuda)
    assert passed == [(CUDA, cuda.options()), (CPU, {})]


def out_of_memory(*_: object, **__: object) -> None:
    raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 512")


def test_a_full_gpu_is_reported_as_the_reason() -> None:
    runtime = fake_runtime([CUDA, CPU], [CUDA, CPU])
    on_cpu = runtime.InferenceSession

    def session(
        *arguments: object, providers: list[tuple[str, object]], **options: object
    ) -> object:
        start = out_of_memory if providers[0][0] == CUDA else on_cpu
        return start(*arguments, providers=providers, **options)

    runtime.InferenceSession = session
    with pytest.raises(ProviderError, match="the GPU has not enough free memory to load m"):
        start_session(runtime, Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_a_full_machine_raises() -> None:
    runtime = fake_runtime([CPU], [CPU])
    runtime.InferenceSession = out_of_memory
    with pytest.raises(OutOfMemoryError, match="this machine has not enough free memory"):
        start_session(runtime, Path("m"), "auto", ONE_THREAD, PLAIN)
