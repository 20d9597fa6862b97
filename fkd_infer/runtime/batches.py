"""Runs batches in a few sizes, with buffers and recorded graphs on a GPU for each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels

if TYPE_CHECKING:
    import onnxruntime


class BufferPlace(NamedTuple):
    """Where buffers are: ONNX Runtime's name of the device, and its number. With `graphs`, the
    kernels of each batch size are recorded, and launched as one."""

    ort: Any
    device: str
    number: int = 0
    graphs: bool = False


class Batches:
    """Runs a session with a few batch sizes, ascending; thread-safe.

    Without sizes, batches run as they come. Without a place for buffers, ONNX Runtime copies.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        sizes: Sequence[int],
        place: BufferPlace | None = None,
    ) -> None:
        self._session = session
        self._sizes = sizes
        self._place = place
        self._buffers: dict[int, _Buffers] = {}
        self._buffers_lock = threading.Lock()  # one call at a time fills the buffers of a size

    def __call__(self, crops: Pixels) -> list[Floats]:
        """Returns the network's outputs for crops (n, size, size, channels), n > 0."""
        if not self._sizes:
            return self._run(crops)
        largest = self._sizes[-1]
        parts = [self._run_padded(crops[i : i + largest]) for i in range(0, len(crops), largest)]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _run_padded(self, crops: Pixels) -> list[Floats]:
        """Pads the batch to the next size with copies of its last crop, which leave the range of
        values unchanged: dynamic quantization measures it over the batch."""
        count = len(crops)
        missing = next(size for size in self._sizes if size >= count) - count
        if missing:
            crops = np.concatenate([crops, np.repeat(crops[-1:], missing, axis=0)])
        return [output[:count] for output in self._run(crops)]

    def _run(self, crops: Pixels) -> list[Floats]:
        if self._place is None:
            outputs: list[Floats] = self._session.run(None, {"image": crops})
            return outputs
        size = len(crops)
        with self._buffers_lock:
            if size not in self._buffers:
                self._buffers[size] = _Buffers(self._session, size, self._place)
            return self._buffers[size].run(crops)


class _Buffers:
    """Input and output buffers on the device for batches of one size."""

    def __init__(
        self, session: onnxruntime.InferenceSession, size: int, place: BufferPlace
    ) -> None:
        ort = place.ort

        def allocate(node: Any, dtype: type[np.generic]) -> Any:
            shape = [size, *node.shape[1:]]
            return ort.OrtValue.ortvalue_from_shape_and_type(
                shape, dtype, place.device, place.number
            )

        self._session = session
        self._binding = session.io_binding()
        (image,) = session.get_inputs()
        self._input = allocate(image, np.uint8)
        self._binding.bind_ortvalue_input(image.name, self._input)
        self._outputs = [allocate(node, np.float32) for node in session.get_outputs()]
        for node, output in zip(session.get_outputs(), self._outputs, strict=True):
            self._binding.bind_ortvalue_output(node.name, output)
        self._options = ort.RunOptions()
        if place.graphs:
            # A recording for each size; ONNX Runtime leaves ids from 1 on to its callers.
            self._options.add_run_config_entry("gpu_graph_id", str(size))

    def run(self, crops: Pixels) -> list[Floats]:
        """Returns the outputs in the host's memory."""
        self._input.update_inplace(crops)
        self._session.run_with_iobinding(self._binding, self._options)
        return [output.numpy() for output in self._outputs]
