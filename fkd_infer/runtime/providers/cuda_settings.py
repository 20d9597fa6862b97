"""Settings of sessions on CUDA."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import ProviderSettings

ConvSearch = Literal["heuristic", "exhaustive", "default"]


@dataclass(frozen=True, slots=True)
class CudaSettings(ProviderSettings):
    """Settings of a session on CUDA. They follow ONNX Runtime's documentation; none is measured.

    - `device` is the index of the GPU, from 0; `memory` limits ONNX Runtime's arena, in bytes.
    - `search` chooses the algorithm of each convolution: "heuristic" asks cuDNN; "exhaustive" times
      all algorithms at the first batch of each size, so two runs may choose differently.
    - `buckets` are the batch sizes, ascending. A batch is padded to the next size, and split if it
      is larger than the last one, so algorithms and memory are set up once per size.
      () runs batches as they come.
    - `warm_up` runs every bucket when the session starts, for programs that answer requests.
      Without it, the first batch of a size is slower, and unused sizes cost nothing.
    - `binding` reserves input and output buffers on the GPU for each bucket. Either way copies
      once in and once out; with buffers, no memory is allocated in between, but the copy is waited
      for. Which is faster is not known, so the default is the way without state.
    - `graphs` records the kernels of a bucket at its first batch and launches them as one from then
      on; it implies `binding`. In ONNX Runtime this is a preview, recordings are per thread, and no
      other thread may use CUDA during a recording.
    - `tf32` lets GPUs since Ampere round factors to 10 bits: ONNX Runtime's default.

    Raises SettingsError for invalid values.
    """

    device: int = 0
    memory: int | None = None
    search: ConvSearch = "heuristic"
    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    warm_up: bool = False
    binding: bool = False
    graphs: bool = False
    tf32: bool = True

    def __post_init__(self) -> None:
        if self.device < 0:
            raise SettingsError("device", f"is {self.device}, but must be 0 or more")
        if self.memory is not None and self.memory < 1:
            raise SettingsError("memory", f"is {self.memory}, but must be 1 or more")
        if self.search not in get_args(ConvSearch):
            choices = ", ".join(get_args(ConvSearch))
            raise SettingsError("search", f"is {self.search!r}", f"choose one of: {choices}")
        if any(size < 1 for size in self.buckets) or any(a >= b for a, b in pairwise(self.buckets)):
            raise SettingsError("buckets", f"are {self.buckets}, but must ascend from 1 or more")
        if not self.buckets and (self.warm_up or self.has_buffers):
            raise SettingsError("warm_up, binding and graphs", "need buckets")

    @property
    def has_buffers(self) -> bool:
        """Whether each bucket has buffers on the GPU."""
        return self.binding or self.graphs

    def options(self) -> dict[str, str]:
        """Returns the options of ONNX Runtime's CUDA provider."""
        options = {
            # Few sizes occur, so allocate what they need; the default rounds up to powers of 2.
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": self.search.upper(),
            "enable_cuda_graph": str(int(self.graphs)),
            "use_tf32": str(int(self.tf32)),
        }
        # Only if it is not the default: naming it makes ONNX Runtime 1.31 warn of a missing plugin.
        if self.device:
            options["device_id"] = str(self.device)
        if self.memory is not None:
            options["gpu_mem_limit"] = str(self.memory)
        return options

    def check_unused(self, provider: str) -> None:
        """Raises SettingsError for graphs, which need CUDA."""
        if self.graphs:
            problem = f"need CUDA, but the session runs on {provider!r}"
            raise SettingsError("graphs", problem, "use graphs=False")
