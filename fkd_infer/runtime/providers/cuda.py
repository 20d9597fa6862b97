"""CUDA, on NVIDIA's GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

from fkd_infer.runtime.providers.base import BatchRunner, Driver, ExecutionProvider
from fkd_infer.runtime.providers.cuda_settings import CudaSettings

if TYPE_CHECKING:
    import onnxruntime

_LOST = re.compile(
    r"CUDA failure \d|(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)


class CudaProvider(ExecutionProvider[CudaSettings]):
    """CUDA; its settings are `CudaSettings`."""

    name = "cuda"
    onnx_name = "CUDAExecutionProvider"
    title = "CUDA"
    memory = "the GPU"
    package = "onnxruntime-gpu"
    extra = "gpu"
    libraries = (
        "nvidia-cuda-runtime",
        "nvidia-cudnn-cu13",
        "nvidia-cuda-runtime-cu12",
        "nvidia-cudnn-cu12",
    )
    driver = Driver(
        name="nvidia",
        command=(
            "nvidia-smi",
            "--query-gpu=name,driver_version,memory.total",
            "--format=csv,noheader",
        ),
        fix="nvidia-smi  (it says more; after an update of the driver, restart the machine)",
        install="install NVIDIA's driver",
    )
    half_precision = True
    settings_type = CudaSettings

    def options(self, settings: CudaSettings) -> dict[str, str]:
        """Returns the options that ONNX Runtime passes to CUDA."""
        return settings.options()

    def preload(self, ort: Any) -> list[str]:
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
        self, ort: Any, session: onnxruntime.InferenceSession, settings: CudaSettings
    ) -> BatchRunner:
        """Returns the function that runs a batch in the sizes of the settings."""
        from fkd_infer.runtime.providers.cuda_batches import CudaBatches

        return CudaBatches(ort, session, settings)

    def warm_up_batches(self, settings: CudaSettings) -> Sequence[int]:
        """Returns every bucket if the settings ask for a warm-up."""
        return settings.buckets if settings.warm_up else ()


CUDA = CudaProvider()
