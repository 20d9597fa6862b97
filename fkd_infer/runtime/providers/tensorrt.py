"""TensorRT, on NVIDIA's GPUs: compiled into ONNX Runtime, or for RTX as a plug-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fkd_infer.runtime.providers.base import ExecutionProvider, PlannedSettings, Plugin, is_index
from fkd_infer.runtime.providers.cuda import CUDA, CUDA_LIBRARIES, NVIDIA
from fkd_infer.system.arguments import AtLeastOne

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True, slots=True)
class TensorRtSettings(PlannedSettings):
    """Settings of a session on TensorRT, beside its buckets."""

    fp16: bool = False
    """Let it round to half precision where that is faster."""
    workspace: AtLeastOne | None = None
    """Most memory of a layer, in bytes."""
    caching: bool = True
    """Keep compiled engines, whose compilation takes from seconds to minutes."""


class TensorRtProvider(ExecutionProvider[TensorRtSettings]):
    """TensorRT as compiled into the GPU package; its settings are `TensorRtSettings`.

    Only on request: its first start takes minutes.
    """

    name = "tensorrt"
    onnx_name = "TensorrtExecutionProvider"
    title = "TensorRT"
    memory = "the GPU"
    package = "onnxruntime-gpu"
    requirement = "onnxruntime-gpu[cuda,cudnn] tensorrt"
    extra = "tensorrt"
    libraries = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", *CUDA.libraries)
    library = "onnxruntime_providers_tensorrt"
    system_libraries = CUDA_LIBRARIES
    driver = NVIDIA
    devices = CUDA.devices
    default_device = CUDA.default_device
    automatic = False
    half_precision = True
    settings_type = TensorRtSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is a GPU's number."""
        return is_index(device)

    def options(
        self, settings: TensorRtSettings, device: str, cache: Path | None
    ) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to TensorRT."""
        options = {
            "device_id": device,
            "trt_fp16_enable": str(int(settings.fp16)),
        }
        if settings.workspace is not None:
            options["trt_max_workspace_size"] = str(settings.workspace)
        if settings.caching and cache is not None:
            options |= {
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": str(cache),
                "trt_timing_cache_enable": "1",
                "trt_timing_cache_path": str(cache),
            }
        return options

    def missing_libraries(self, ort: Any) -> list[str]:
        """Loads the libraries of CUDA and TensorRT; returns why each missing one is not loaded."""
        from fkd_infer.runtime.libraries import load_package

        own = ("libnvinfer.so.*", "libnvonnxparser.so.*", "nvinfer_*.dll", "nvonnxparser_*.dll")
        return [*CUDA.missing_libraries(ort), *load_package("tensorrt_libs", *own)]

    def is_lost(self, error: str) -> bool:
        """Whether the GPU no longer answers this process."""
        return CUDA.is_lost(error)

    def alternatives(self, settings: TensorRtSettings) -> Mapping[str, TensorRtSettings]:
        """Returns both precisions."""
        return {"fp16": replace(settings, fp16=True), "fp32": replace(settings, fp16=False)}


@dataclass(frozen=True, slots=True)
class TensorRtRtxSettings(PlannedSettings):
    """Settings of a session on TensorRT for RTX, beside its buckets."""

    graphs: bool = False
    """Record the kernels of a size at its first batch, and launch them as one later."""
    caching: bool = True
    """Keep compiled kernels."""

    def for_any_size(self) -> Self:
        """Returns the settings without graphs, which are recorded for one size."""
        return replace(self, graphs=False)


class TensorRtRtxProvider(ExecutionProvider[TensorRtRtxSettings]):
    """TensorRT for RTX, a plug-in for GeForce and RTX GPUs; its settings are
    `TensorRtRtxSettings`."""

    name = "tensorrt-rtx"
    onnx_name = "NvTensorRTRTXExecutionProvider"
    title = "TensorRT for RTX"
    memory = "the GPU"
    plugin = Plugin("onnxruntime-ep-nv-tensorrt-rtx", "onnxruntime_ep_nv_tensorrt_rtx")
    requirement = "onnxruntime-ep-nv-tensorrt-rtx"
    extra = "tensorrt-rtx"
    system_libraries = CUDA_LIBRARIES
    driver = NVIDIA
    devices = CUDA.devices
    default_device = CUDA.default_device
    half_precision = True
    settings_type = TensorRtRtxSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is a GPU's number."""
        return is_index(device)

    def options(
        self, settings: TensorRtRtxSettings, device: str, cache: Path | None
    ) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to TensorRT for RTX."""
        options = {"enable_cuda_graph": str(int(settings.graphs))}
        if settings.caching and cache is not None:
            options["nv_runtime_cache_path"] = str(cache)
        return options

    def choose(
        self, devices: Sequence[onnxruntime.OrtEpDevice], device: str
    ) -> Sequence[onnxruntime.OrtEpDevice]:
        """Returns the device of a number, in ONNX Runtime's order."""
        index = int(device)
        return devices[index : index + 1]

    def alternatives(self, settings: TensorRtRtxSettings) -> Mapping[str, TensorRtRtxSettings]:
        """Returns the other way of launching kernels."""
        return {"graphs": replace(settings, graphs=True)}


TENSORRT = TensorRtProvider()
TENSORRT_RTX = TensorRtRtxProvider()
