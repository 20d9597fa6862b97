"""The parts themselves, on the CPU: a dry run of every line that needs no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_driver import fake_nvidia_smi

from benchmarks.gpu.contenders import Variant, half_files, time_contenders, variants
from benchmarks.gpu.detector import box_difference, measure_detector
from benchmarks.gpu.end_to_end import time_end_to_end
from benchmarks.gpu.installation import describe_installation, prove_strictness
from benchmarks.gpu.latency import (
    noise_batches,
    rtx_openers,
    tensorrt_openers,
    time_networks,
    time_tensorrt,
    ways,
)
from benchmarks.gpu.memory import gpu_memory, resident_memory
from benchmarks.gpu.parity import BATCHES, prove_parity
from benchmarks.gpu.pictures import drawn_crops
from benchmarks.gpu.pipeline import largest_difference, pipeline_openers, points_of, time_pipelines
from benchmarks.gpu.plan import NO_TIME, CheckPlan, FailedContender, Result
from benchmarks.gpu.torch_latency import open_torch, time_torch, torch_contenders
from benchmarks.harness.results import Measurement, SkippedContender
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.types import Detections, Face

PLAN = CheckPlan("cpu", quick=True)
CUDA_PLAN = CheckPlan("cuda:1", quick=True)
FKDNET = find_model("fkdnet")


@pytest.fixture(autouse=True)
def _one_warm_up_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkd_infer.tuning.interleaved.WARM_UP_CALLS", 1)


def measurements(results: Iterator[Result]) -> list[Measurement]:
    """The results of a part in which nothing fails or is left out."""
    found = list(results)
    assert [result for result in found if isinstance(result, SkippedContender)] == []
    return [result for result in found if isinstance(result, Measurement)]


def by_contender(results: Sequence[Measurement], part: str) -> dict[str, Measurement]:
    return {result.contender: result for result in results if result.conditions["part"] == part}


def test_describes_what_is_installed() -> None:
    facts = by_contender(measurements(describe_installation(PLAN)), "installation")
    assert facts["libraries"].conditions["found"] == "none is missing"
    assert "without a GPU" in facts["torch"].conditions["found"]


def test_every_shipped_file_starts_wholly_on_the_provider() -> None:
    rows = [r for r in measurements(prove_strictness(PLAN)) if r.conditions["part"] == "start"]
    *started, refused = rows
    files = {path.stem for path in (*PLAN.landmark_files, *PLAN.detector_files)}
    assert {(row.model, row.contender) for row in started} == {
        (file, asked) for file in files for asked in ("cpu", "auto")
    }
    assert {row.conditions["on the CPU"] for row in started} == {"none"}
    assert refused.conditions["runs on"] == "refused"
    assert "'99'" in refused.conditions["reason"]


def test_a_provider_that_does_not_start_is_a_failure_with_its_reason() -> None:
    results = list(prove_strictness(CheckPlan("tensorrt", quick=True)))
    failures = [result for result in results if isinstance(result, FailedContender)]
    assert [failure.model for failure in failures] == ["fkdnet", "fkd-detector"]
    assert all("install it with" in failure.why for failure in failures)
    refused = [r for r in results if isinstance(r, Measurement) and "reason" in r.conditions]
    asked = ["tensorrt", "tensorrt, or the CPU"]
    assert [(row.model, row.contender) for row in refused] == [
        *(("fkdnet-int8", each) for each in asked),
        *(("fkd-detector-int8", each) for each in asked),
        ("fkdnet", "tensorrt:99"),
    ]


def test_points_equal_the_cpus_in_every_precision() -> None:
    rows = [r for r in measurements(prove_parity(PLAN)) if r.conditions["part"] == "parity"]
    assert [(row.model, row.contender) for row in rows] == [
        ("fkdnet", "fp32"),
        ("fkdnet", "fp16"),
        ("fkdnet-int8", "int8"),
    ]
    for row in rows:
        assert {f"batch {size}" for size in BATCHES} < set(row.figures)
        assert row.figures["NME"].value == pytest.approx(
            row.figures["NME on the CPU"].value, abs=0.05
        )
        assert row.figures["NME"].value < 6, "drawn faces are framed as the network wants them"


def test_points_far_from_the_cpus_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.gpu.parity.LARGEST_MEAN_PX", dict.fromkeys(("fp32", "fp16", "int8"), -1.0)
    )
    results = list(prove_parity(PLAN))
    failures = [result for result in results if isinstance(result, FailedContender)]
    assert [(failure.model, failure.contender) for failure in failures] == [
        ("fkdnet", "fp32"),
        ("fkdnet", "fp16"),
        ("fkdnet-int8", "int8"),
    ]
    assert "px from the CPU's" in failures[0].why


def test_times_networks() -> None:
    rows = by_contender(measurements(time_networks(PLAN)), "latency")
    assert list(rows) == ["the CPU, fp32", "the CPU, fp16"]
    for row in rows.values():
        assert set(row.figures) == {"start", "batch 1", "batch 16"}
        assert row.figures["batch 1"].unit == "µs a face"


def test_a_contender_that_fails_leaves_the_others_in_place() -> None:
    def fails() -> Any:
        raise RuntimeError("no memory")

    openers = {"fails": fails, "fails later": lambda: fails_at_16, "works": lambda: list}
    results = list(time_contenders(PLAN, "latency", FKDNET, openers, noise_batches(PLAN, FKDNET)))
    skipped = [result for result in results if isinstance(result, FailedContender)]
    assert [failure.contender for failure in skipped] == ["fails", "fails later"]
    assert skipped[0].why.startswith("RuntimeError: no memory (tests/")
    rows = [result for result in results if isinstance(result, Measurement)]
    assert [row.contender for row in rows] == ["works", "during latency"]


def fails_at_16(crops: Any) -> None:
    if len(crops) == 16:
        raise MemoryError


def test_nothing_starts_once_the_time_is_over() -> None:
    over = CheckPlan("cpu", quick=True, until=0.0)
    openers = {"late": lambda: list}
    results = list(time_contenders(over, "latency", FKDNET, openers, noise_batches(PLAN, FKDNET)))
    assert [r.why for r in results if isinstance(r, SkippedContender)] == [NO_TIME]


def test_measures_the_detector() -> None:
    rows = measurements(measure_detector(PLAN))
    sizes = by_contender(rows, "image sizes")
    assert [row.conditions["sizes"] for row in sizes.values()] == ["3", "3"]
    searches = by_contender(rows, "detector")
    assert searches["the CPU, fp32"].figures["boxes, 640 × 360"].value == 0
    assert searches["the CPU, fp16"].figures["boxes, 640 × 360"].value < 5


def test_times_pipelines() -> None:
    rows = measurements(time_pipelines(PLAN))
    whole, many, memory = rows
    assert whole.figures["faces"].value == 4
    assert many.figures["faces"].value == 4
    assert many.conditions["scene"] == "many(), 4 faces, 360p"
    assert memory.figures["this process"].value > 10


def test_times_end_to_end_files() -> None:
    rows = by_contender(measurements(time_end_to_end(PLAN)), "end-to-end")
    assert list(rows) == ["pipeline", "many()", "any size", "one size"]
    assert {row.figures["faces"].value for row in rows.values()} == {4}
    assert max(row.figures["from the pipeline"].value for row in rows.values()) < 0.1


def test_tensorrt_is_left_out_where_it_is_not_installed() -> None:
    results = list(time_tensorrt(PLAN))
    assert [type(result) for result in results] == [SkippedContender] * 2
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]' tensorrt" in str(results[0])


def test_cuda_runs_files_in_three_precisions_and_four_ways() -> None:
    with half_files() as half:
        found = list(variants(CUDA_PLAN, FKDNET, half))
        of_precision = {each.precision: each for each in found if isinstance(each, Variant)}
        assert of_precision["fp16"].file.is_file()
    assert list(of_precision) == ["fp32", "tf32", "fp16"]
    plain = of_precision["tf32"].choice
    settings = [of_precision[name].choice.settings for name in ("fp32", "tf32")]
    assert settings == [CudaSettings(tf32=False), CudaSettings(tf32=True)]
    assert ways(of_precision["fp16"].choice, (1,)).keys() == ways(plain, (1,)).keys()
    found_ways = ways(of_precision["fp32"].choice, (1, 256))
    assert found_ways[", graphs"].settings == CudaSettings((1, 256), graphs=True, tf32=False)
    assert {choice.device for choice in found_ways.values()} == {"1"}
    assert list(pipeline_openers(CUDA_PLAN)) == ["cuda:1", "cuda:1, graphs", "cpu"]


def test_int8_files_may_leave_nodes_to_the_cpu() -> None:
    (variant,) = variants(CUDA_PLAN, find_model("fkdnet-int8"), lambda file: file)
    assert isinstance(variant, Variant)
    assert variant.choice == ProviderChoice("cuda", "1", CudaSettings(), allow_fallback=True)


def test_without_onnx_there_is_no_fp16() -> None:
    def half(file: Path) -> Path:
        raise ModuleNotFoundError(name="onnx")

    *_, last = variants(PLAN, FKDNET, half)
    assert isinstance(last, SkippedContender)
    assert last.why == "onnx is not installed, which converts the file"


def test_a_conversion_that_fails_leaves_the_other_precisions_in_place() -> None:
    def half(file: Path) -> Path:
        raise RuntimeError("the graph") from KeyError("a cast")

    *found, last = variants(CUDA_PLAN, FKDNET, half)
    assert [each.precision for each in found if isinstance(each, Variant)] == ["fp32", "tf32"]
    assert isinstance(last, FailedContender)
    assert last.why == "KeyError: 'a cast'"


def test_tensorrt_runs_in_two_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ProviderChoice] = []

    def on_cpu(file: Path, choice: ProviderChoice, settings: SessionSettings) -> LandmarkSession:
        asked.append(choice)
        return LandmarkSession(file, "cpu", settings)

    monkeypatch.setattr("benchmarks.gpu.latency.LandmarkSession", on_cpu)
    for openers in (
        tensorrt_openers(CUDA_PLAN, FKDNET),
        rtx_openers(CUDA_PLAN, FKDNET, lambda file: file),
    ):
        for opener in openers.values():
            opener()
    assert [(choice.name, choice.device) for choice in asked] == [
        *([("tensorrt", "1")] * 2),
        *([("tensorrt-rtx", "1")] * 3),
    ]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_torch_answers_as_the_session(precision: str) -> None:
    session = LandmarkSession(FKDNET, "cpu")
    crops, _ = drawn_crops(session.card, 2)
    run: Callable[[Any], Any] = open_torch(
        FKDNET.with_suffix(".pt"), precision, "cpu", {"backend": "eager"}
    )
    distances = np.linalg.norm(run(crops)[0] - session.run(crops).points, axis=-1)
    assert np.median(distances) < {"fp32": 0.001, "fp16": 0.1}[precision]


def test_times_torch_beside_the_session() -> None:
    rows = by_contender(measurements(time_torch(PLAN)), "torch")
    assert list(rows) == [
        "torch eager, fp16",
        "the CPU, fp16",
        "torch eager, fp32",
        "the CPU, fp32",
    ]
    assert all(row.figures["batch 16"].value > 0 for row in rows.values())


def test_torch_runs_on_the_plans_gpu_in_every_way() -> None:
    full = CheckPlan("cuda:1")
    found = torch_contenders(full, FKDNET.with_suffix(".pt"), "tf32")
    assert list(found) == [
        "torch eager, tf32",
        "torch compile, tf32",
        "torch compile, graphs, tf32",
    ]
    assert {opener.args[2] for opener in found.values()} == {"cuda:1"}  # type: ignore[attr-defined]


def test_reads_the_memory_of_the_plans_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, 'case "$*" in *--id=1) echo 1234;; *) echo "[N/A]";; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpu_memory(CUDA_PLAN) == 1234
    assert gpu_memory(CheckPlan("cuda")) is None
    assert gpu_memory(PLAN) is None
    assert 10 < resident_memory() < 1e6


def test_boxes_are_compared_in_any_order() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 90, 90]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    found, expected = Detections(boxes[::-1] + np.float32(1), scores), Detections(boxes, scores)
    assert box_difference(found, expected) == 1
    assert box_difference(found.select(np.array([0])), expected) is None
    assert box_difference(found, Detections(boxes, scores / np.float32(4))) is None


def test_faces_are_compared_in_any_order() -> None:
    box = np.array([0, 0, 9, 9], np.float32)
    faces = [Face(np.full((68, 2), at, np.float32), box, 0.9) for at in (5, 50)]
    points = points_of(faces)
    assert largest_difference(points[::-1] + np.float32(3), points) == pytest.approx(3 * 2**0.5)
    assert largest_difference(points[:1], points) is None
    assert largest_difference(points_of([]), points_of([])) == 0
