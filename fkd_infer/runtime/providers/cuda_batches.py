"""Runs batches on CUDA: a few sizes, buffers and recorded graphs for each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.runtime.providers.cuda_settings import CudaSettings

if TYPE_CHECKING:
    import onnxruntime


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
