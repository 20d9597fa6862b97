"""MIGraphX, on AMD's GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fkd_infer.runtime.providers.base import Driver, ExecutionProvider, PlannedSettings, is_index


@dataclass(frozen=True, slots=True)
class MiGraphXSettings(PlannedSettings):
    """Settings of a session on MIGraphX, beside its buckets."""

    fp16: bool = False
    """Round to half precision."""
    caching: bool = True
    """Keep compiled networks."""


class MiGraphXProvider(ExecutionProvider[MiGraphXSettings]):
    """MIGraphX; its settings are `MiGraphXSettings`."""

    name = "migraphx"
    onnx_name = "MIGraphXExecutionProvider"
    title = "MIGraphX"
    memory = "the GPU"
    package = "onnxruntime-migraphx"
    requirement = "onnxruntime-migraphx"
    extra = "migraphx"
    systems = ("Linux",)
    driver = Driver(
        name="amd",
        command=("rocm-smi", "--showproductname", "--csv"),
        fix="rocm-smi  (it says more)",
        install="install ROCm with MIGraphX",
    )
    devices = "a GPU by its number from 0"
    default_device = "0"
    half_precision = True
    settings_type = MiGraphXSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is a GPU's number."""
        return is_index(device)

    def options(
        self, settings: MiGraphXSettings, device: str, cache: Path | None
    ) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to MIGraphX."""
        options = {"device_id": device, "migraphx_fp16_enable": str(int(settings.fp16))}
        if settings.caching and cache is not None:
            options["migraphx_model_cache_dir"] = str(cache)
        return options

    def is_lost(self, error: str) -> bool:
        """Whether the GPU no longer answers this process."""
        return "HIP failure" in error or "hipError" in error

    def alternatives(self, settings: MiGraphXSettings) -> Mapping[str, MiGraphXSettings]:
        """Returns both precisions."""
        return {"fp16": replace(settings, fp16=True), "fp32": replace(settings, fp16=False)}


MIGRAPHX = MiGraphXProvider()
