"""CUDA, on NVIDIA's GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkd_infer.runtime.providers.base import BatchRunner, Driver, ExecutionProvider, is_index
from fkd_infer.runtime.providers.cuda_settings import CudaSettings

if TYPE_CHECKING:
    import onnxruntime

_LOST = re.compile(
    r"CUDA failure \d|(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
NVIDIA = Driver(
    name="nvidia",
    command=(
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv,noheader",
    ),
    fix="nvidia-smi  (it says more; after an update of the driver, restart the machine)",
    install="install NVIDIA's driver",
)
CUDA_LIBRARIES = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


class CudaProvider(ExecutionProvider[CudaSettings]):
    """CUDA; its settings are `CudaSettings`."""

    name = "cuda"
    onnx_name = "CUDAExecutionProvider"
    title = "CUDA"
    memory = "the GPU"
    package = "onnxruntime-gpu"
    requirement = "onnxruntime-gpu[cuda,cudnn]"
    extra = "gpu"
    libraries = (
        "nvidia-cuda-runtime",
        "nvidia-cudnn-cu13",
        "nvidia-cuda-runtime-cu12",
        "nvidia-cudnn-cu12",
    )
    library = "onnxruntime_providers_cuda"
    system_libraries = CUDA_LIBRARIES
    driver = NVIDIA
    devices = "a GPU by its number from 0"
    default_device = "0"
    half_precision = True
    settings_type = CudaSettings

    def is_device(self, device: str) -> bool:
        """Whether the name is a GPU's number."""
        return is_index(device)

    def options(self, settings: CudaSettings, device: str, cache: Path | None) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to CUDA."""
        options = {
            # Few sizes occur, so allocate what they need; the default rounds up to powers of 2.
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": settings.search.upper(),
            "enable_cuda_graph": str(int(settings.graphs)),
            "use_tf32": str(int(settings.tf32)),
        }
        # Only if it is not the default: naming it makes ONNX Runtime 1.31 warn of a missing plugin.
        if int(device):
            options["device_id"] = device
        if settings.memory is not None:
            options["gpu_mem_limit"] = str(settings.memory)
        return options

    def missing_libraries(self, ort: Any) -> list[str]:
        """Loads CUDA's libraries from pip's folders; returns why each missing one is not loaded."""
        # ONNX Runtime prints what is missing, and standard output is for records.
        with redirect_stdout(StringIO()) as output:
            ort.preload_dlls()
        # A library may fail to load because another one is missing: the reason names that one.
        return re.findall(
            r"^Failed to load (?:\S+: (?=lib))?(.*)$", output.getvalue(), re.MULTILINE
        )

    def version(self, ort: Any) -> str:
        """Returns the version of CUDA that this ONNX Runtime was built with."""
        version: str = getattr(ort, "cuda_version", "")
        return version

    def is_lost(self, error: str) -> bool:
        """Whether the GPU no longer answers this process."""
        return _LOST.search(error) is not None

    def runner(
        self, ort: Any, session: onnxruntime.InferenceSession, settings: CudaSettings, device: str
    ) -> BatchRunner:
        """Returns the function that runs a batch in the sizes of the settings."""
        from fkd_infer.runtime.batches import Batches, BufferPlace

        place = BufferPlace(ort, "cuda", int(device), settings.graphs)
        return Batches(session, settings.buckets, place if settings.has_buffers else None)

    def alternatives(self, settings: CudaSettings) -> Mapping[str, CudaSettings]:
        """Returns ways of passing batches, and of choosing convolutions."""
        return {
            "binding": replace(settings, binding=True),
            "graphs": replace(settings, graphs=True),
            "exhaustive search": replace(settings, search="exhaustive"),
        }


CUDA = CudaProvider()
