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
    """Options of a session on CUDA. They follow ONNX Runtime's documents: none is measured here.

    - `device` counts GPUs from 0; `memory` limits ONNX Runtime's arena there, in bytes.
    - `search` is how each convolution gets its algorithm: heuristic asks cuDNN; exhaustive times
      all of them at the first batch of each size, so that two runs may choose differently.
    - `buckets` are the sizes of batches, ascending. A batch is filled up to the next, and one
      above the largest is cut, so that algorithms are chosen and memory is taken once for each
      size and never again. () runs batches as they come.
    - `warm_up` runs every bucket at load, for programs that answer requests; without it, the first
      batch of a size takes longer, and sizes that never come cost nothing.
    - `binding` keeps a bucket's input and output on the GPU in buffers of their own. Both ways
      copy once in and once out; this one takes no memory in between, and waits once more for the
      copy. Which is quicker is not known, so that the one without state is the default.
    - `graphs` records a bucket's kernels at its first batch and launches them as one from then on;
      it needs `binding`'s buffers and takes them. ONNX Runtime calls it a preview, keeps a
      recording for each thread, and while it records no other thread may use CUDA.
    - `tf32` lets GPUs since Ampere round factors to 10 bits: ONNX Runtime's default.

    Raises SettingsError for values that no session can have.
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
            raise SettingsError("device", f"is {self.device}, and has to be 0 or more")
        if self.memory is not None and self.memory < 1:
            raise SettingsError("memory", f"is {self.memory}, and has to be 1 or more")
        if self.search not in get_args(ConvSearch):
            raise SettingsError(
                "search", f"is {self.search!r}", f"it is one of {get_args(ConvSearch)}"
            )
        if any(size < 1 for size in self.buckets) or any(a >= b for a, b in pairwise(self.buckets)):
            raise SettingsError("buckets", f"are {self.buckets}, and have to ascend from 1 or more")
        if not self.buckets and (self.warm_up or self.bound):
            raise SettingsError("warm_up, binding and graphs", "need buckets")

    @property
    def bound(self) -> bool:
        """Whether each bucket has buffers of its own."""
        return self.binding or self.graphs

    def options(self) -> dict[str, str]:
        """The provider's own options."""
        options = {
            # Sizes are few: what they need is enough, where the default takes the next power of 2.
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": self.search.upper(),
            "enable_cuda_graph": str(int(self.graphs)),
            "use_tf32": str(int(self.tf32)),
        }
        # Named only where it matters: ONNX Runtime 1.31 warns of a missing plugin where it is.
        if self.device:
            options["device_id"] = str(self.device)
        if self.memory is not None:
            options["gpu_mem_limit"] = str(self.memory)
        return options

    def check_unused(self, provider: str) -> None:
        """Raises SettingsError for graphs, which only CUDA has."""
        if self.graphs:
            problem = f"need CUDA, and {provider!r} is what the session runs on"
            raise SettingsError("graphs", problem, "leave them out")
