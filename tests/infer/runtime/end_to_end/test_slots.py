"""Batches on a device: their memory, their order and their errors, with the CPU as the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest
from tiny_models import END_TO_END_SIZE, MODELS

from fkd_infer.end_to_end import EndToEndPipeline
from fkd_infer.errors import DeviceLostError, OutOfMemoryError, SettingsError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.end_to_end import session as sessions
from fkd_infer.runtime.end_to_end.proof import EndToEndProof
from fkd_infer.runtime.end_to_end.session import EndToEndSession
from fkd_infer.runtime.end_to_end.slots import DeviceSlot, HostSlot
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.openvino import OPENVINO
from fkd_infer.runtime.providers.qnn import QNN
from fkd_infer.runtime.start import Started

FILES = ("end_to_end_one", "end_to_end_two", "end_to_end_any")


class OnHost(onnxruntime.OrtValue):  # type: ignore[misc]
    """A buffer in the host's memory in place of one on the GPU."""

    allocated: list[tuple[Sequence[int], str, int]]

    @classmethod
    def ortvalue_from_shape_and_type(
        cls,
        shape: Sequence[int],
        kind: Any,
        place: str = "cpu",
        device: int = 0,
        memory_info: Any = None,
    ) -> Any:
        cls.allocated.append((tuple(shape), memory_info or place, device))
        return super().ortvalue_from_shape_and_type(shape, kind)


class Recorder:
    """A session on the CPU that records its calls, and whether two run at once."""

    def __init__(self, path: Path, lent: str | None = None) -> None:
        self.inner = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.lent = lent
        self.calls: list[str] = []
        self.running = 0
        self.failure: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def get_input_epdevices(self) -> list[Any]:
        return [SimpleNamespace(memory_info=lambda _: self.lent)]

    def run(self, names: None, feed: dict[str, np.ndarray]) -> Any:
        return self._called("run", lambda: self.inner.run(names, feed))

    def run_with_iobinding(self, binding: Any) -> None:
        self._called("bound", lambda: self.inner.run_with_iobinding(binding))

    def _called(self, name: str, call: Any) -> Any:
        if self.failure:
            raise RuntimeError(self.failure)
        self.calls.append(name)
        self.running += 1
        assert self.running == 1, "two calls at once"
        try:
            return call()
        finally:
            self.running -= 1


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(OnHost, "allocated", [], raising=False)
    kinds = SimpleNamespace(HOST_ACCESSIBLE="host")
    return SimpleNamespace(OrtValue=OnHost, OrtDeviceMemoryType=kinds)


def as_cuda(
    name: str,
    runtime: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    device: str = "0",
    lent: str | None = None,
    provider: ExecutionProvider[Any] = CUDA,
) -> tuple[EndToEndPipeline, Recorder]:
    """A pipeline that takes its session on the CPU for one on CUDA, and its recorder."""
    recorder = Recorder(MODELS / f"{name}.onnx", lent)
    started = Started(cast("Any", recorder), provider, device, Counter())
    monkeypatch.setattr(sessions, "import_onnxruntime", lambda: runtime)
    monkeypatch.setattr(sessions, "start_session", lambda *_: started)
    monkeypatch.setattr(EndToEndProof, "sees_faces", lambda *_: False)
    return EndToEndPipeline(EndToEndSession(MODELS / f"{name}.onnx", provider.name)), recorder


def pictures(count: int) -> list[Pixels]:
    return [np.full((*END_TO_END_SIZE, 3), 31 * n % 256, np.uint8) for n in range(count)]


def scores(pipeline: EndToEndPipeline, images: Sequence[Pixels]) -> list[list[float]]:
    return [[face.score for face in faces] for faces in pipeline.many(images)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [1, 2, 9, 16, 33])
def test_batches_on_a_device_are_those_of_the_host(
    name: str, count: int, runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(
        EndToEndPipeline(EndToEndSession(MODELS / f"{name}.onnx", "cpu")), pictures(count)
    )
    pipeline, recorder = as_cuda(name, runtime, monkeypatch)
    assert scores(pipeline, pictures(count)) == expected
    assert recorder.calls == ["bound"] * -(-count // pipeline.batch)


@pytest.mark.parametrize("name", FILES)
def test_faces_stay_valid_while_later_batches_run(
    name: str, runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = as_cuda(name, runtime, monkeypatch)
    found = list(pipeline.many(pictures(40)))
    for faces, image in zip(found, pictures(40), strict=True):
        (expected,) = pipeline.session.run(
            image[None] if pipeline.batch != 2 else np.stack([image] * 2)
        )[:1]
        np.testing.assert_array_equal([face.score for face in faces], expected.scores)
        for face, points in zip(faces, expected.points, strict=True):
            np.testing.assert_allclose(face.points, points, atol=1e-4)


def test_memory_of_the_device_is_taken_once(
    runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = as_cuda("end_to_end_any", runtime, monkeypatch, "3")
    assert len(list(pipeline.many(pictures(20), batch=4))) == 20
    shapes = [(4, *END_TO_END_SIZE, 3), (4, 2, 4), (4, 2), (4, 2, 68, 2), (4, 2)]
    assert OnHost.allocated == [(shape, "cuda", 3) for shape in shapes] * 3


def test_images_lie_in_memory_that_the_provider_lends(
    runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = as_cuda("end_to_end_two", runtime, monkeypatch, lent="pinned")
    plain = as_cuda("end_to_end_two", runtime, monkeypatch)[0]
    OnHost.allocated.clear()
    assert scores(pipeline, pictures(5)) == scores(plain, pictures(5))
    assert OnHost.allocated[0] == ((2, *END_TO_END_SIZE, 3), "pinned", 0)


def test_an_older_onnx_runtime_lends_no_memory(runtime: SimpleNamespace) -> None:
    class Older(OnHost):
        @classmethod
        def ortvalue_from_shape_and_type(  # type: ignore[override]
            cls, shape: Sequence[int], kind: Any, place: str, device: int
        ) -> Any:
            return OnHost.ortvalue_from_shape_and_type(shape, kind, place, device)

    recorder = Recorder(MODELS / "end_to_end_one.onnx", lent="pinned")
    slot = DeviceSlot(SimpleNamespace(OrtValue=Older), recorder, (*END_TO_END_SIZE, 3), ("cuda", 0))
    slot.images[0] = 255
    slot.send()
    assert slot.run(1)[1].tolist() == [1.0, 0.5]


def test_a_slot_of_single_images_is_a_batch_of_one() -> None:
    for shape in ((1, 72, 96, 3), (5, 72, 96, 3)):
        slot = HostSlot(
            Recorder(MODELS / "end_to_end_any.onnx"), shape[-3 if shape[0] == 1 else 0 :], True
        )
        assert slot.images.shape == shape


def test_threads_wait_for_each_other_on_a_device(
    runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = as_cuda("end_to_end_any", runtime, monkeypatch)
    expected = scores(pipeline, pictures(8))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: scores(pipeline, pictures(8)), range(20)):
            assert found == expected


def test_a_single_image_is_run_without_buffers(
    runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, recorder = as_cuda("end_to_end_two", runtime, monkeypatch)
    assert len(pipeline(pictures(9)[8])) == 2
    assert (recorder.calls, OnHost.allocated) == (["run"], [])


@pytest.mark.parametrize(
    ("message", "error", "why"),
    [
        ("CUDA failure 2: out of memory", OutOfMemoryError, "96 × 72 pixels, 2 at a time.*smaller"),
        ("CUDA failure 700: an illegal access", DeviceLostError, "CUDA stopped working"),
    ],
)
@pytest.mark.parametrize("where", ["ortvalue_from_shape_and_type", "update_inplace", "run"])
def test_errors_of_the_device_say_what_to_do(
    where: str,
    message: str,
    error: type[Exception],
    why: str,
    runtime: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline, recorder = as_cuda("end_to_end_two", runtime, monkeypatch)

    def fail(*_: object) -> None:
        raise RuntimeError(message)

    if where == "run":
        recorder.failure = message
    else:
        monkeypatch.setattr(OnHost, where, fail)
    with pytest.raises(error, match=why):
        next(pipeline.many(pictures(3)))


def test_recorded_graphs_are_refused() -> None:
    choice = ProviderChoice("cuda", settings=CudaSettings(graphs=True))
    with pytest.raises(SettingsError, match="graphs are for landmark networks"):
        EndToEndSession(MODELS / "end_to_end_two.onnx", choice)


@pytest.mark.parametrize("provider", [OPENVINO, QNN])
def test_a_provider_whose_memory_is_not_bound_gets_the_images(
    provider: ExecutionProvider[Any], runtime: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, recorder = as_cuda("end_to_end_any", runtime, monkeypatch, "", provider=provider)
    assert len(list(pipeline.many(pictures(5)))) == 5
    assert set(recorder.calls) == {"run"}
    assert pipeline.batch == (1 if provider.fixed_shapes else 16)
