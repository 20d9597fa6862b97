"""Networks in each precision, and timing of contenders that run them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from benchmarks.gpu.memory import memory
from benchmarks.gpu.plan import NO_TIME, CheckPlan, Result, failed, is_int8, left_out, measured
from benchmarks.harness.alternation import alternate
from benchmarks.harness.results import Figure
from benchmarks.harness.statistics import block_medians, median_interval
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings

Runner: TypeAlias = Callable[[Any], object]
"""Runs a batch or an image."""
Opener: TypeAlias = Callable[[], Runner]


@dataclass(frozen=True)
class Variant:
    """A file, and the choice by which it is computed in a precision."""

    precision: str
    file: Path
    choice: ProviderChoice


@contextmanager
def half_files() -> Iterator[Callable[[Path], Path]]:
    """Provides the function that writes a network's file in fp16, into a folder that is removed."""
    with TemporaryDirectory() as folder:

        def half(file: Path) -> Path:
            import onnx

            from fkd_train.graphs.half_precision import half_precision

            out = Path(folder) / f"{file.stem}-fp16.onnx"
            onnx.save(half_precision(onnx.load(file)), out)
            return out

        yield half


def variants(
    plan: CheckPlan, file: Path, half: Callable[[Path], Path]
) -> Iterator[Variant | Result]:
    """Yields a file in each precision that the provider has, or why one is missing.

    Files in int8 may leave nodes to the CPU: GPUs have no kernels for some of them.
    """
    choice = plan.choice
    if choice.name == CUDA.name:
        choice = replace(choice, settings=CudaSettings())
    if is_int8(file):
        yield Variant("int8", file, replace(choice, allow_fallback=True))
        return
    if isinstance(choice.settings, CudaSettings):
        exact = replace(choice.settings, tf32=False)
        yield Variant("fp32", file, replace(choice, settings=exact))
        yield Variant("tf32", file, choice)
    else:
        yield Variant("fp32", file, choice)
    try:
        yield Variant("fp16", half(file), choice)
    except ModuleNotFoundError as error:
        yield left_out(file, "fp16", f"{error.name} is not installed, which converts the file")
    except Exception as error:  # noqa: BLE001 (recorded, and the other precisions go on)
        yield failed(file, "fp16", error)


def time_contenders(
    plan: CheckPlan,
    part: str,
    model: Path,
    contenders: Mapping[str, Opener],
    batches: Mapping[int, Pixels],
) -> Iterator[Result]:
    """Opens all contenders, times them in turns with each batch, and yields the time a face.

    "start" is the time to open one and run each batch once: some compile for each size.
    """
    runners: dict[str, Runner] = {}
    figures: dict[str, dict[str, Figure]] = {}
    for name, open_runner in contenders.items():
        if plan.is_over:
            yield left_out(model, name, NO_TIME)
            continue
        begun = time.perf_counter()
        try:
            runner = open_runner()
            for batch in batches.values():
                runner(batch)
        except Exception as error:  # noqa: BLE001 (recorded, and the others go on)
            yield failed(model, name, error)
            continue
        runners[name] = runner
        figures[name] = {"start": Figure(time.perf_counter() - begun, "s")}
    for size, batch in batches.items():
        calls = {name: partial(runner, batch) for name, runner in runners.items()}
        times = alternate(calls, plan.blocks, plan.block_seconds, plan.until)
        for name, blocks in times.items():
            p50 = median_interval(block_medians(blocks))
            a_face = Figure.from_interval(p50, "µs a face", 1e6 / size, "lower")
            figures[name][f"batch {size}"] = a_face
    for name, own in figures.items():
        yield measured(part, model, name, own)
    yield from memory(plan, part, model)
