"""Places that batches of images of one size go through, one filled while another one is run."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels

if TYPE_CHECKING:
    import onnxruntime


class Slot(Protocol):
    """A place for a batch: `images` (b, H, W, 3) are written in the host's memory, sent, and run.

    A slot's input has the `shape` (b, H, W, 3), or (H, W, 3) if the file takes single images.
    """

    images: Pixels

    def send(self) -> None:
        """Copies the images to where the session reads them."""

    def run(self, count: int) -> Sequence[Floats]:
        """Returns the outputs, in the host's memory, of at least the first `count` images."""


class HostSlot(Slot):
    """A place in the host's memory, where the session reads it.

    With `partial`, the session takes any number of images.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, shape: Sequence[int], partial: bool
    ) -> None:
        self._session = session
        self._input = np.zeros(shape, np.uint8)
        self._partial = partial
        self.images = _as_batch(self._input)

    def send(self) -> None:
        """Does nothing: the images are there."""

    def run(self, count: int) -> Sequence[Floats]:
        """Returns the outputs of the first images, or of all."""
        images = self._input[:count] if self._partial else self._input
        outputs: Sequence[Floats] = self._session.run(None, {"image": images})
        return outputs


class DeviceSlot(Slot):
    """A place in a device's memory, with its own outputs: only they come back to the host."""

    def __init__(
        self,
        ort: Any,
        session: onnxruntime.InferenceSession,
        shape: Sequence[int],
        device: tuple[str, int],
    ) -> None:
        self._session = session
        (image,) = session.get_inputs()
        self._host = _host_memory(ort, session, shape)
        self.images = _as_batch(self._host)
        allocate = ort.OrtValue.ortvalue_from_shape_and_type
        self._input = allocate(list(shape), np.uint8, *device)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(image.name, self._input)
        self._outputs = []
        batch = list(shape[:-3])
        for node in session.get_outputs():
            output = allocate([*batch, *node.shape[len(batch) :]], np.float32, *device)
            self._binding.bind_ortvalue_output(node.name, output)
            self._outputs.append(output)

    def send(self) -> None:
        """Copies the images to the device, and returns once they are there."""
        self._input.update_inplace(self._host)

    def run(self, count: int) -> Sequence[Floats]:
        """Returns the outputs of all images that were sent."""
        self._session.run_with_iobinding(self._binding)
        # Arrays that a later run does not change, also where the host reads the device's memory.
        return [np.array(output.numpy()) for output in self._outputs]


def _as_batch(images: Pixels) -> Pixels:
    """A view (b, H, W, 3) of the input of a file with or without batches."""
    return images.reshape(-1, *images.shape[-3:])


def _host_memory(ort: Any, session: onnxruntime.InferenceSession, shape: Sequence[int]) -> Pixels:
    """An array in memory from which the device copies by itself (pinned), if ONNX Runtime and the
    provider lend such; otherwise an ordinary one."""
    allocate = ort.OrtValue.ortvalue_from_shape_and_type
    # ONNX Runtime knows such memory by its provider's device, in later versions than we need.
    if "memory_info" in signature(allocate).parameters:
        device = session.get_input_epdevices()[0]
        kind = ort.OrtDeviceMemoryType.HOST_ACCESSIBLE
        memory = None if device is None else device.memory_info(kind)
        if memory is not None:
            images: Pixels = allocate(list(shape), np.uint8, memory_info=memory).numpy()
            return images
    return np.zeros(shape, np.uint8)
