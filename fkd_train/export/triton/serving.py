"""How Triton Inference Server is to run a model."""

from __future__ import annotations

from dataclasses import dataclass

from fkd_train.choices import TensorRtPrecision


@dataclass(frozen=True, slots=True)
class TensorRt:
    """TensorRT in place of CUDA, on a GPU."""

    precision: TensorRtPrecision = "fp32"
    """"fp32", or "fp16" for half precision."""
    workspace: int = 1 << 30
    """The memory that TensorRT may use at a time, in bytes."""
    engine_cache: str | None = None
    """A folder of the server's, in which engines outlive it; without one, each start builds them
    anew."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs a model: on which device, and how it batches crops."""

    gpu: bool = False
    """Run on a GPU, by CUDA."""
    tensorrt: TensorRt | None = None
    """Run by TensorRT, with `gpu`."""
    threads: int = 0
    """Threads of ONNX Runtime for one operator; 0 means one per core."""
    largest: int = 64
    """Most crops of a batch."""
    preferred: tuple[int, ...] = (8, 32)
    """Sizes of batches that are waited for."""
    delay_us: int = 500
    """How long a batch waits for them, in microseconds."""

    def warm_up_batches(self) -> list[int]:
        """Returns the sizes of the batches to run before the first request.

        TensorRT builds an engine again for each batch beyond the sizes that it has seen, so the
        largest one comes second.
        """
        largest = [] if self.tensorrt is None else [self.largest]
        return list(dict.fromkeys((1, *largest, *self.preferred)))
