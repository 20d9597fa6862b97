"""How Triton Inference Server is to run a model."""

from __future__ import annotations

from dataclasses import dataclass

from fkd_train.choices import TensorRtPrecision


@dataclass(frozen=True, slots=True)
class TensorRt:
    """TensorRT in place of CUDA, on a GPU.

    `workspace` is the memory that TensorRT may use at a time, in bytes. `engine_cache` is a folder
    of the server's, in which engines outlive it; without one, each start builds them anew.
    """

    precision: TensorRtPrecision = "fp32"
    workspace: int = 1 << 30
    engine_cache: str | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs a model: on which device, and how it batches crops.

    `tensorrt` is for `gpu`. `threads` are ONNX Runtime's for one operator; 0 means one per core. A
    batch waits up to `delay_us` microseconds for a `preferred` size, and has at most `largest`
    crops.
    """

    gpu: bool = False
    tensorrt: TensorRt | None = None
    threads: int = 0
    largest: int = 64
    preferred: tuple[int, ...] = (8, 32)
    delay_us: int = 500

    def warm_up_batches(self) -> list[int]:
        """Returns the sizes of the batches to run before the first request.

        TensorRT builds an engine again for each batch beyond the sizes that it has seen, so the
        largest one comes second.
        """
        largest = [] if self.tensorrt is None else [self.largest]
        return list(dict.fromkeys((1, *largest, *self.preferred)))
