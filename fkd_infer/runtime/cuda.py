"""How a network runs on CUDA: the provider's options, batches of a few sizes, buffers, graphs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from fkd_infer.errors import SettingsError
from fkd_infer.geometry.arrays import Floats, Pixels

if TYPE_CHECKING:
    import onnxruntime

ConvSearch = Literal["heuristic", "exhaustive", "default"]


@dataclass(frozen=True, slots=True)
class CudaSettings:
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


class CudaBatches:
    """Calls a session with batches of the sizes that its settings name; safe from any thread."""

    def __init__(
        self, ort: Any, session: onnxruntime.InferenceSession, settings: CudaSettings
    ) -> None:
        self._ort = ort
        self._session = session
        self._settings = settings
        self._bound: dict[int, _Bound] = {}
        self._turn = threading.Lock()  # the buffers of a bucket are filled by one call at a time

    def __call__(self, crops: Pixels) -> list[Floats]:
        """The network's outputs for crops (n, size, size, channels), n > 0."""
        if not self._settings.buckets:
            return self._run(crops)
        largest = self._settings.buckets[-1]
        parts = [self._filled(crops[i : i + largest]) for i in range(0, len(crops), largest)]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _filled(self, crops: Pixels) -> list[Floats]:
        """Runs crops as a whole bucket. The last one fills it: a network that measures its batch,
        as dynamic quantization does, then measures nothing new."""
        count = len(crops)
        missing = next(size for size in self._settings.buckets if size >= count) - count
        if missing:
            crops = np.concatenate([crops, np.repeat(crops[-1:], missing, axis=0)])
        return [output[:count] for output in self._run(crops)]

    def _run(self, crops: Pixels) -> list[Floats]:
        if not self._settings.bound:
            outputs: list[Floats] = self._session.run(None, {"image": crops})
            return outputs
        with self._turn:
            if len(crops) not in self._bound:
                bound = _Bound(self._ort, self._session, len(crops), self._settings)
                self._bound[len(crops)] = bound
            return self._bound[len(crops)](crops)


class _Bound:
    """A session with buffers on the GPU for batches of one size."""

    def __init__(
        self, ort: Any, session: onnxruntime.InferenceSession, size: int, settings: CudaSettings
    ) -> None:
        def buffer(node: Any, kind: type[np.generic]) -> Any:
            shape = [size, *node.shape[1:]]
            value = ort.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cuda", settings.device)
            return value

        self._session = session
        self._binding = session.io_binding()
        (image,) = session.get_inputs()
        self._input = buffer(image, np.uint8)
        self._binding.bind_ortvalue_input(image.name, self._input)
        self._outputs = [buffer(node, np.float32) for node in session.get_outputs()]
        for node, output in zip(session.get_outputs(), self._outputs, strict=True):
            self._binding.bind_ortvalue_output(node.name, output)
        self._options = ort.RunOptions()
        if settings.graphs:
            # Each size is a recording of its own; ids from 1 on are free for such use.
            self._options.add_run_config_entry("gpu_graph_id", str(size))

    def __call__(self, crops: Pixels) -> list[Floats]:
        """The outputs, on the host."""
        self._input.update_inplace(crops)
        self._session.run_with_iobinding(self._binding, self._options)
        return [output.numpy() for output in self._outputs]
