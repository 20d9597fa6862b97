"""Batches on CUDA: their sizes, buffers and graphs, on the CPU, and on a GPU if there is one."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tiny_models import MODELS, SIZE

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.errors import DeviceLostError, OutOfMemoryError, SettingsError
from fkd_infer.runtime import session as sessions
from fkd_infer.runtime.batches import Batches, BufferPlace
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.start import Started

SMALL = (1, 2, 4)


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 1), np.uint8)


class OnHost(onnxruntime.OrtValue):  # type: ignore[misc]
    """A buffer in the host's memory in place of one on the GPU; reading it copies, as there."""

    allocated: list[tuple[Sequence[int], str, int]]

    @classmethod
    def ortvalue_from_shape_and_type(
        cls, shape: Sequence[int], kind: Any, place: str, device: int
    ) -> Any:
        cls.allocated.append((shape, place, device))
        return super().ortvalue_from_shape_and_type(shape, kind)

    def numpy(self) -> np.ndarray:
        return np.array(super().numpy())


class Recorder:
    """A session on the CPU that records its calls."""

    def __init__(self, path: Path = MODELS / "scored.onnx") -> None:
        self.inner = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.sizes: list[int] = []
        self.last: np.ndarray
        self.graphs: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def run(self, names: None, feed: dict[str, np.ndarray]) -> Any:
        self.last = feed["image"]
        self.sizes.append(len(self.last))
        return self.inner.run(names, feed)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        try:
            self.graphs.append(options.get_run_config_entry("gpu_graph_id"))
        except RuntimeError:  # no such entry
            self.graphs.append("")
        self.inner.run_with_iobinding(binding, options)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setattr(OnHost, "allocated", [], raising=False)
    return SimpleNamespace(OrtValue=OnHost, RunOptions=onnxruntime.RunOptions)


@pytest.mark.parametrize("binding", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 11])
def test_any_batch_size_returns_the_networks_output(
    count: int, binding: bool, runtime: SimpleNamespace
) -> None:
    session = Recorder()
    batches = Batches(session, SMALL, BufferPlace(runtime, "cuda") if binding else None)
    outputs = batches(crops(count))
    expected = session.inner.run(None, {"image": crops(count)})
    for one, other in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (3, [4]), (4, [4]), (5, [4, 1]), (11, [4, 4, 4])]
)
def test_only_the_bucket_sizes_are_run(
    count: int, sizes: list[int], runtime: SimpleNamespace
) -> None:
    session = Recorder()
    Batches(session, SMALL)(crops(count))
    assert session.sizes == sizes


def test_a_batch_is_padded_with_its_last_crop(runtime: SimpleNamespace) -> None:
    session = Recorder()
    Batches(session, (8,))(crops(3))
    np.testing.assert_array_equal(session.last, crops(3)[[0, 1, 2, 2, 2, 2, 2, 2]])


@pytest.mark.parametrize("buckets", [(), (2, 5)])
def test_a_batch_of_a_bucket_size_is_not_copied(
    buckets: tuple[int, ...], runtime: SimpleNamespace
) -> None:
    session, batch = Recorder(), crops(5)
    Batches(session, buckets)(batch)
    assert session.last.ctypes.data == batch.ctypes.data


def test_buffers_are_allocated_once_per_size(runtime: SimpleNamespace) -> None:
    batches = Batches(Recorder(), SMALL, BufferPlace(runtime, "cuda", 3))
    for count in (3, 4, 3, 1):
        batches(crops(count))
    assert OnHost.allocated == [
        ([size, *shape], "cuda", 3) for size in (4, 1) for shape in ([SIZE, SIZE, 1], [68, 2], [])
    ]


def test_outputs_stay_valid_after_the_next_call(runtime: SimpleNamespace) -> None:
    batches = Batches(Recorder(), SMALL, BufferPlace(runtime, "cuda"))
    first = batches(np.zeros((2, SIZE, SIZE, 1), np.uint8))
    batches(np.full((2, SIZE, SIZE, 1), 255, np.uint8))
    np.testing.assert_allclose(first[1], [0, 0], atol=1e-6)


def test_strided_crops_reach_the_buffer_complete(
    runtime: SimpleNamespace,
) -> None:
    session, strided = Recorder(), crops(4).transpose(0, 2, 1, 3)
    outputs = Batches(session, SMALL, BufferPlace(runtime, "cuda"))(strided)
    expected = session.inner.run(None, {"image": np.ascontiguousarray(strided)})
    np.testing.assert_allclose(outputs[0], expected[0], atol=1e-6)


def test_threads_do_not_mix_their_buffers(runtime: SimpleNamespace) -> None:
    batches = Batches(Recorder(), SMALL, BufferPlace(runtime, "cuda"))

    def score(gray: int) -> float:
        return float(batches(np.full((1, SIZE, SIZE, 1), gray, np.uint8))[1][0])

    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(score, range(200)))
    np.testing.assert_allclose(scores, np.arange(200) / 255, atol=1e-5)


def test_each_size_has_its_own_graph(runtime: SimpleNamespace) -> None:
    recorded, plain = Recorder(), Recorder()
    for session, graphs in ((recorded, True), (plain, False)):
        batches = Batches(session, SMALL, BufferPlace(runtime, "cuda", graphs=graphs))
        for count in (3, 1, 4):
            batches(crops(count))
    assert recorded.graphs == ["4", "1", "4"]
    assert plain.graphs == ["", "", ""]


def test_options_match_onnx_runtimes_documentation() -> None:
    assert CUDA.options(CudaSettings(), "0", None) == {
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "enable_cuda_graph": "0",
        "use_tf32": "1",
    }
    other = CudaSettings(memory=1 << 30, search="exhaustive", graphs=True, tf32=False)
    assert CUDA.options(other, "2", None) == {
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "device_id": "2",
        "enable_cuda_graph": "1",
        "gpu_mem_limit": str(1 << 30),
        "use_tf32": "0",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory": 0}, "memory is 0"),
        ({"search": "quick"}, "search is 'quick', and has to be 'heuristic'"),
        ({"buckets": (0, 1)}, "ascend"),
        ({"buckets": (2, 2)}, "ascend"),
        ({"buckets": (), "graphs": True}, "need buckets"),
        ({"buckets": (), "warm_up": True}, "needs buckets"),
    ],
)
def test_invalid_settings_raise(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CudaSettings(**settings)


def test_graphs_raise_if_the_session_runs_on_the_cpu(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fkd_infer.runtime.start.usable_providers", lambda _: [CPU])
    choice = ProviderChoice("auto", settings=CudaSettings(graphs=True))
    with pytest.raises(SettingsError, match="graphs need CUDA, but the session runs on 'cpu'"):
        LandmarkSession(fixed_model, choice)


@pytest.fixture
def as_cuda(monkeypatch: pytest.MonkeyPatch, runtime: SimpleNamespace) -> Recorder:
    """A session that LandmarkSession uses as one on CUDA."""
    recorder = Recorder()
    monkeypatch.setattr(sessions, "import_onnxruntime", lambda: runtime)
    started = Started(recorder, CUDA, "0", Counter())
    monkeypatch.setattr(sessions, "start_session", lambda *_: started)
    return recorder


def test_a_session_on_cuda_runs_in_buckets(as_cuda: Recorder) -> None:
    session = LandmarkSession(MODELS / "scored.onnx", "cuda")
    assert as_cuda.sizes == []
    points, scores, _ = session.run(crops(5))
    assert (points.shape, as_cuda.sizes) == ((5, 68, 2), [8])
    assert scores is not None
    assert scores.shape == (5,)


def test_warm_up_runs_every_bucket_at_start(as_cuda: Recorder) -> None:
    choice = ProviderChoice("cuda", settings=CudaSettings(buckets=SMALL, warm_up=True))
    LandmarkSession(MODELS / "scored.onnx", choice)
    assert as_cuda.sizes == list(SMALL)


def test_a_full_gpu_raises_with_a_fix(as_cuda: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc(&p, size);")

    monkeypatch.setattr(as_cuda, "run", fail)
    with pytest.raises(OutOfMemoryError, match=r"the GPU.*for a batch of 1;.*use provider 'cpu'"):
        LandmarkSession(MODELS / "scored.onnx", "cuda").run(crops(5))


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h",
        "CUDA failure 999: unknown error ; GPU=-1 ; expr=cudaSetDevice(0);",
        "CUDNN failure 5003: CUDNN_STATUS_EXECUTION_FAILED_CUDART ; GPU=0",
        "CUBLAS failure 13: the GPU program failed to execute; CUBLAS_STATUS_EXECUTION_FAILED",
    ],
)
def test_a_lost_gpu_ends_the_run(
    as_cuda: Recorder, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(as_cuda, "run", fail)
    with pytest.raises(DeviceLostError, match="CUDA stopped working: CU") as caught:
        LandmarkSession(MODELS / "scored.onnx", "cuda").run(crops(5))
    assert caught.value.ends_run


def on_gpu(**settings: Any) -> LandmarkSession:
    """Returns the shipped model on CUDA; skips the test without CUDA."""
    if not shutil.which("nvidia-smi"):
        pytest.skip("no NVIDIA GPU here")
    session = LandmarkSession(
        DEFAULT_MODEL, ProviderChoice("cuda", settings=CudaSettings(**settings))
    )
    assert session.provider == "cuda"
    return session


def shipped_crops(session: LandmarkSession, count: int) -> np.ndarray:
    size, channels = session.card.input.size, session.card.input.channels
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"buckets": ()},
        {"search": "exhaustive"},
        {"binding": True},
        {"graphs": True},
        {"graphs": True, "warm_up": True},
    ],
    ids=str,
)
@pytest.mark.parametrize(("tf32", "px"), [(True, 0.05), (False, 0.005)])
def test_cuda_agrees_with_the_cpu(settings: dict[str, Any], tf32: bool, px: float) -> None:
    on_cuda = on_gpu(tf32=tf32, **settings)
    on_cpu = LandmarkSession(DEFAULT_MODEL, "cpu")
    for count in (5, 1, 33, 5, 2):  # sizes repeat, with other crops
        batch = shipped_crops(on_cpu, count)[::-1]
        np.testing.assert_allclose(
            on_cuda.run(batch).points, on_cpu.run(batch).points, rtol=0, atol=px
        )


@pytest.mark.gpu
def test_a_recorded_graph_reads_each_new_batch() -> None:
    on_cuda = on_gpu(graphs=True)
    batch = shipped_crops(on_cuda, 2)
    first, again = on_cuda.run(batch).points, on_cuda.run(255 - batch).points
    assert np.abs(first - again).max() > 0.1


@pytest.mark.gpu
def test_reaching_the_memory_limit_raises() -> None:
    session = on_gpu(memory=64 << 20, buckets=(4096,))
    batch = shipped_crops(session, 4096)
    with pytest.raises(OutOfMemoryError, match="the GPU"):
        session.run(batch)
