"""Core ML, on Apple's GPUs and neural engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fkd_infer.runtime.providers.base import ExecutionProvider, PlannedSettings

ComputeUnits = Literal["all", "gpu", "neural-engine", "cpu"]
_UNITS: dict[ComputeUnits, str] = {
    "all": "ALL",
    "gpu": "CPUAndGPU",
    "neural-engine": "CPUAndNeuralEngine",
    "cpu": "CPUOnly",
}


@dataclass(frozen=True, slots=True)
class CoreMlSettings(PlannedSettings):
    """Settings of a session on Core ML, beside its buckets."""

    units: ComputeUnits = "all"
    """What Core ML may use. The neural engine computes in half precision."""
    caching: bool = True
    """Keep compiled networks."""


class CoreMlProvider(ExecutionProvider[CoreMlSettings]):
    """Core ML, which the package for macOS has; its settings are `CoreMlSettings`."""

    name = "coreml"
    onnx_name = "CoreMLExecutionProvider"
    title = "Core ML"
    memory = "this Mac"
    requirement = "onnxruntime"
    extra = "cpu"
    systems = ("Darwin",)
    half_precision = True
    settings_type = CoreMlSettings

    def options(self, settings: CoreMlSettings, device: str, cache: Path | None) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to Core ML."""
        options = {"ModelFormat": "MLProgram", "MLComputeUnits": _UNITS[settings.units]}
        if settings.caching and cache is not None:
            options["ModelCacheDirectory"] = str(cache)
        return options

    def alternatives(self, settings: CoreMlSettings) -> Mapping[str, CoreMlSettings]:
        """Returns the compute units."""
        return {units: replace(settings, units=units) for units in ("all", "gpu", "neural-engine")}


COREML = CoreMlProvider()
