"""The parts that time networks alone: on the plan's provider, and on TensorRT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.gpu.contenders import Opener, Runner, Variant, half_files, time_contenders, variants
from benchmarks.gpu.plan import MACHINE, CheckPlan, Result, left_out
from benchmarks.networks.worker import noise_crops
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.libraries import missing_libraries
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.registry import install_command, usable_providers
from fkd_infer.runtime.providers.tensorrt import (
    TENSORRT,
    TENSORRT_RTX,
    TensorRtRtxSettings,
    TensorRtSettings,
)
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings

GRAPHS = ", graphs"


def time_networks(plan: CheckPlan) -> Iterator[Result]:
    """Yields the time a face in each precision, with each way of passing batches to the GPU, and of
    the first network on the CPU."""
    with half_files() as half:
        for file in plan.networks:
            contenders: dict[str, Opener] = {}
            for variant in variants(plan, file, half):
                if not isinstance(variant, Variant):
                    yield variant
                    continue
                for way, choice in ways(variant.choice, plan.batches).items():
                    if variant.precision != "tf32" and way not in ("", GRAPHS):
                        continue  # what these ways gain does not depend on the precision
                    name = f"{plan.execution_provider.title}, {variant.precision}{way}"
                    contenders[name] = partial(open_session, variant.file, choice)
            if plan.execution_provider is not CPU and file == plan.networks[0]:
                contenders["the CPU, fp32"] = partial(open_session, file, ProviderChoice(CPU.name))
            yield from time_contenders(plan, "latency", file, contenders, noise_batches(plan, file))


def ways(choice: ProviderChoice, batches: tuple[int, ...]) -> dict[str, ProviderChoice]:
    """The choice with each way of passing batches that CUDA has, by the end of a name.

    By default, larger batches than 32 run in parts; `batches` are the buckets of the others.
    """
    own = choice.settings
    if not isinstance(own, CudaSettings):
        return {"": choice}
    buckets = replace(own, buckets=batches)
    settings = {
        "": own,
        ", larger buckets": buckets,
        ", binding": replace(buckets, binding=True),
        GRAPHS: replace(buckets, graphs=True),
    }
    return {name: replace(choice, settings=changed) for name, changed in settings.items()}


def open_session(file: Path, choice: ProviderChoice) -> Runner:
    """Opens a network; its threads on the CPU sleep between calls, since others take turns."""
    return LandmarkSession(file, choice, SessionSettings()).run


def noise_batches(plan: CheckPlan, file: Path) -> dict[int, Pixels]:
    """Batches of crops for a network, by size."""
    inputs = LandmarkSession(file, CPU.name).card.input
    return {size: noise_crops(size, inputs.size, inputs.channels) for size in plan.batches}


def time_tensorrt(plan: CheckPlan) -> Iterator[Result]:
    """Yields the time a face on TensorRT and on TensorRT for RTX, or why they do not run here.

    Their start includes the compilation of an engine for each size of a batch.
    """
    ort = import_onnxruntime()
    installed = set(usable_providers(ort))
    for provider in (TENSORRT, TENSORRT_RTX):
        # ONNX Runtime for GPUs knows TensorRT, whether its libraries are installed or not.
        missing = missing_libraries(ort, provider) if provider in installed else [""]
        if missing:
            installed.discard(provider)
            why = "; ".join(filter(None, ["it is not installed", missing[0]]))
            yield left_out(MACHINE, provider.title, f"{why}: {install_command(provider)}")
    with half_files() as half:
        for file in plan.networks:
            contenders: dict[str, Opener] = {}
            if TENSORRT in installed:
                contenders |= tensorrt_openers(plan, file)
            if TENSORRT_RTX in installed:
                contenders |= rtx_openers(plan, file, half)
            if contenders:
                batches = noise_batches(plan, file)
                yield from time_contenders(plan, "tensorrt", file, contenders, batches)


def tensorrt_openers(plan: CheckPlan, file: Path) -> dict[str, Opener]:
    """TensorRT with and without rounding to half precision."""
    openers: dict[str, Opener] = {}
    for precision in ("fp32", "fp16"):
        settings = TensorRtSettings(plan.batches, fp16=precision == "fp16", caching=False)
        choice = ProviderChoice(TENSORRT.name, plan.choice.device, settings)
        openers[f"{TENSORRT.title}, {precision}"] = partial(open_session, file, choice)
    return openers


def rtx_openers(plan: CheckPlan, file: Path, half: Callable[[Path], Path]) -> dict[str, Opener]:
    """TensorRT for RTX with the file in fp32 and in fp16, and with recorded kernels."""
    title = TENSORRT_RTX.title
    settings = TensorRtRtxSettings(plan.batches, caching=False)
    choice = ProviderChoice(TENSORRT_RTX.name, plan.choice.device, settings)
    graphs = replace(choice, settings=replace(settings, graphs=True))
    return {
        f"{title}, fp32": partial(open_session, file, choice),
        f"{title}, fp16": lambda: open_session(half(file), choice),
        f"{title}, fp32, graphs": partial(open_session, file, graphs),
    }
