"""Settings of sessions on CUDA."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from fkd_infer.errors import SettingsError
from fkd_infer.runtime.providers.base import PlannedSettings
from fkd_infer.system.arguments import AtLeastOne

ConvSearch = Literal["heuristic", "exhaustive", "default"]


@dataclass(frozen=True, slots=True)
class CudaSettings(PlannedSettings):
    """Settings of a session on CUDA, beside its buckets.

    They follow ONNX Runtime's documentation; `fkd-infer tune` measures them. Raises SettingsError
    for invalid values.

    Examples:
        >>> import fkd_infer
        >>> settings = fkd_infer.CudaSettings(buckets=(1, 8), graphs=True, warm_up=True)
        >>> str(fkd_infer.ProviderChoice("cuda", settings=settings))
        'cuda'
    """

    memory: AtLeastOne | None = None
    """Most memory of ONNX Runtime's arena, in bytes."""
    search: ConvSearch = "heuristic"
    """How the algorithm of each convolution is chosen: "heuristic" asks cuDNN; "exhaustive" times
    all algorithms at the first batch of each size, so two runs may choose differently."""
    binding: bool = False
    """Reserve input and output buffers on the GPU for each bucket. Either way copies once in and
    once out; with buffers, no memory is allocated in between, but the copy is waited for."""
    graphs: bool = False
    """Record the kernels of a bucket at its first batch, and launch them as one from then on;
    implies `binding`. In ONNX Runtime this is a preview, recordings are per thread, and no other
    thread may use CUDA during a recording."""
    tf32: bool = True
    """Let GPUs since Ampere round factors to 10 bits: ONNX Runtime's default."""

    def __post_init__(self) -> None:
        # Named, since dataclasses with slots are made anew, which super() without names misses.
        PlannedSettings.__post_init__(self)
        if not self.buckets and self.has_buffers:
            raise SettingsError("binding and graphs", "need buckets")

    @property
    def has_buffers(self) -> bool:
        """Whether each bucket has buffers on the GPU."""
        return self.binding or self.graphs

    def for_any_size(self) -> Self:
        """Returns the settings without graphs, which are recorded for one size."""
        return replace(self, graphs=False)

    def check_unused(self, provider: str) -> None:
        """Raises SettingsError for graphs, which need CUDA."""
        if self.graphs:
            problem = f"need CUDA, but the session runs on {provider!r}"
            raise SettingsError("graphs", problem, "use graphs=False")
