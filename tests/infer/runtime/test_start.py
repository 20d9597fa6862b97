"""The provider that is asked for is used, or one line says why not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fkd_infer.errors import InvalidModelError, OutOfMemoryError, ProviderError
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session


def fake_runtime(offered: list[str], started: list[str]) -> SimpleNamespace:
    """An onnxruntime that offers providers, of which a session starts some."""

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


def test_cuda_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"'cuda'.*usable: cpu.*fkd\[gpu\]"):
        start_session(fake_runtime([CPU], [CPU]), Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_cuda_that_does_not_start_is_an_error_not_a_slow_cpu() -> None:
    with pytest.raises(
        ProviderError, match=r"did not start CUDA.*libcudnn: no such file\).*doctor"
    ):
        start_session(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_a_broken_file_is_not_blamed_on_cuda() -> None:
    runtime = fake_runtime([CUDA, CPU], [CUDA, CPU])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("protobuf parsing failed")

    runtime.InferenceSession = fail
    with pytest.raises(InvalidModelError, match="protobuf parsing failed"):
        start_session(runtime, Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_auto_takes_cuda_where_it_starts() -> None:
    opened = start_session(
        fake_runtime([CUDA, CPU], [CUDA, CPU]), Path("m"), "auto", ONE_THREAD, PLAIN
    )
    assert opened.get_providers()[0] == CUDA


def test_auto_says_that_it_goes_on_with_the_cpu(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = start_session(fake_runtime([CUDA, CPU], [CPU]), Path("m"), "auto", ONE_THREAD, PLAIN)
    assert opened.get_providers() == [CPU]
    assert "did not start CUDA" in caplog.text
    assert capsys.readouterr().out == ""


def test_cuda_is_given_its_options_and_the_cpu_none() -> None:
    runtime, given = fake_runtime([CUDA, CPU], [CUDA, CPU]), []

    def session(*_: object, providers: list[tuple[str, dict[str, str]]], **__: object) -> object:
        given.extend(providers)
        return SimpleNamespace(get_providers=lambda: [CUDA, CPU])

    runtime.InferenceSession = session
    cuda = CudaSettings(device=1)
    start_session(runtime, Path("m"), "cuda", ONE_THREAD, cuda)
    assert given == [(CUDA, cuda.options()), (CPU, {})]


def out_of_memory(*_: object, **__: object) -> None:
    raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer of size 512")


def test_a_full_gpu_is_named_as_the_reason() -> None:
    runtime = fake_runtime([CUDA, CPU], [CUDA, CPU])
    on_cpu = runtime.InferenceSession

    def session(*given: object, providers: list[tuple[str, object]], **options: object) -> object:
        start = out_of_memory if providers[0][0] == CUDA else on_cpu
        return start(*given, providers=providers, **options)

    runtime.InferenceSession = session
    with pytest.raises(ProviderError, match="the GPU has not enough free memory to load m"):
        start_session(runtime, Path("m"), "cuda", ONE_THREAD, PLAIN)


def test_a_full_machine_is_told_too() -> None:
    runtime = fake_runtime([CPU], [CPU])
    runtime.InferenceSession = out_of_memory
    with pytest.raises(OutOfMemoryError, match="this machine has not enough free memory"):
        start_session(runtime, Path("m"), "auto", ONE_THREAD, PLAIN)
