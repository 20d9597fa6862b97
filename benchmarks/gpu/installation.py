"""The parts about what is installed, and on what sessions start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.memory import gpu_memory, memory
from benchmarks.gpu.plan import MACHINE, CheckPlan, Result, failed, is_int8, measured
from benchmarks.harness.results import Figure
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.doctor.providers import list_devices
from fkd_infer.errors import FkdError, ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.libraries import missing_libraries
from fkd_infer.runtime.partition import counted
from fkd_infer.runtime.providers.registry import AUTO, usable_providers
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.start import Started

_ABSENT_DEVICE = "99"


def describe_installation(plan: CheckPlan) -> Iterator[Result]:
    """Yields the card, its driver, what ONNX Runtime and torch were built with, and what is
    missing."""
    provider, ort = plan.execution_provider, import_onnxruntime()
    facts = {
        "ONNX Runtime": f"{ort.__version__}, {ort.get_device()}, {provider.version(ort)}",
        "providers": ", ".join(each.title for each in usable_providers(ort)),
        "libraries": "; ".join(missing_libraries(ort, provider)) or "none is missing",
        "torch": _torch(),
    }
    if provider.driver is not None:
        devices, problem = list_devices(provider.driver)
        facts["driver"] = problem or "; ".join(devices)
    for name, found in facts.items():
        yield measured("installation", MACHINE, name, {}, {"found": found.strip(", ")})
    if used := gpu_memory(plan):
        figures = {"GPU, in use": Figure(used, "MiB")}
        yield measured("memory", MACHINE, "before all parts", figures)


def _torch() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"{torch.__version__}, without a GPU"
    major, minor = torch.cuda.get_device_capability()
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return (
        f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}, "
        f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}"
    )


def prove_strictness(plan: CheckPlan) -> Iterator[Result]:
    """Yields what each shipped file runs on with the provider and with "auto", and the reason of
    each start that is refused.

    Files in fp32 must run wholly on the provider, and "auto" must choose it if it may. Files in
    int8 may be refused, and are tried again with nodes on the CPU.
    """
    for file in [*plan.landmark_files, *plan.detector_files]:
        for choice in (plan.choice, ProviderChoice(AUTO)):
            yield from _start(plan, file, choice)
    yield from _refuse(plan)
    yield from memory(plan, "start", MACHINE)


def _start(plan: CheckPlan, file: Path, choice: ProviderChoice) -> Iterator[Result]:
    asked = f"{choice}, or the CPU" if choice.allow_fallback else str(choice)
    begun = time.perf_counter()
    try:
        started = _started(plan, file, choice)
    except ProviderError as error:
        if not is_int8(file):
            yield failed(file, asked, error)
            return
        yield measured("start", file, asked, {}, _refusal(error))
        if not choice.allow_fallback:
            yield from _start(plan, file, replace(choice, allow_fallback=True))
        return
    except Exception as error:  # noqa: BLE001 (recorded, and the next file's turn)
        yield failed(file, asked, error)
        return
    figures = {"start": Figure(time.perf_counter() - begun, "s")}
    on_cpu = counted(started.on_cpu) if started.on_cpu else "none"
    facts = {"runs on": started.on, "on the CPU": on_cpu}
    yield measured("start", file, asked, figures, facts)
    wanted = plan.execution_provider
    if not is_int8(file) and wanted.automatic and plan.is_nvidia and started.provider is not wanted:
        yield failed(file, asked, f"it runs on {started.on}, and {wanted.name} was expected")


def _refusal(error: FkdError) -> dict[str, str]:
    return {"runs on": "refused", "reason": str(error)}


def _started(plan: CheckPlan, file: Path, choice: ProviderChoice) -> Started:
    if file in plan.detector_files:
        return FkdDetector(file, provider=choice).started
    return LandmarkSession(file, choice).started


def _refuse(plan: CheckPlan) -> Iterator[Result]:
    """Asks for a device that no machine has."""
    asked = f"{plan.choice.name}:{_ABSENT_DEVICE}"
    file = plan.networks[0]
    try:
        started = LandmarkSession(file, asked).started
    except FkdError as error:
        yield measured("start", file, asked, {}, _refusal(error))
    else:
        yield failed(file, asked, f"there is no such device, but it runs on {started.on}")
