"""An end-to-end file, from images to the points of their faces, in a session of ONNX Runtime."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fkd_infer.errors import NonFiniteOutputError, ProviderError, SettingsError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_end_to_end_signature
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.end_to_end.proof import EndToEndProof
from fkd_infer.runtime.end_to_end.slots import DeviceSlot, HostSlot, Slot
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.runtime.providers.registry import AUTO
from fkd_infer.runtime.providers.tensorrt import TENSORRT
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import Started, start_session

_log = logging.getLogger(__name__)
_SMALLER = "use smaller batches or smaller images"


class ImageFaces(NamedTuple):
    """The faces of one image, best first: boxes (n, 4) and scores (n,) of the detector, points
    (n, k, 2) and, if the network has them, presence (n,) and spread (n, k); in its pixels."""

    boxes: Floats
    scores: Floats
    points: Floats
    presence: Floats | None = None
    spread: Floats | None = None


class EndToEndSession:
    """Finds faces and places their points with one file. Thread-safe, and can be pickled.

    `provider` is what it runs on: a provider, perhaps with a device, or a ProviderChoice, which is
    used or raises ProviderError; "auto" is the first one that proves itself. Of a provider's own
    settings, those about batches of crops do not apply. Raises what `LandmarkSession` raises, and
    SettingsError for CUDA graphs.
    """

    def __init__(
        self,
        model: str | Path,
        provider: str | ProviderChoice = AUTO,
        settings: SessionSettings | None = None,
    ) -> None:
        self._ort = import_onnxruntime()
        self.path = find_model(model)
        file = check_model(self.path)
        self.card = EndToEndCard.from_metadata(file.metadata, self.path)
        check_end_to_end_signature(file, self.card, self.path)
        self.settings = settings or SessionSettings()
        self.choice = ProviderChoice.of(provider)
        _check_no_graphs(self.choice)
        self.started = self._start()
        self._session = self.started.session
        self.execution_provider: ExecutionProvider[Any] = self.started.provider
        is_fixed = self.execution_provider.fixed_shapes and self.card.batch == "dynamic"
        self.batch = 1 if is_fixed else self.card.batch
        self._device = _device(self.execution_provider, self.started.device)
        self._names = [output.name for output in self._session.get_outputs()]
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles a session by its arguments: it is started anew."""
        return type(self), (self.path, self.choice, self.settings)

    @property
    def provider(self) -> str:
        """The name of the provider that the session runs on."""
        return self.execution_provider.name

    def run(self, images: Pixels) -> list[ImageFaces]:
        """Returns the faces of each image (b, H, W, 3) uint8.

        H, W and b must be the file's; b is 1 without batches. Raises OutOfMemoryError,
        DeviceLostError, InferenceError and NonFiniteOutputError.
        """
        feed = {"image": images[0] if self.card.batch is None else images}
        with self._turn(), self._errors(images.shape):
            outputs = self._session.run(None, feed)
        return self._by_image(outputs)

    def slots(self, count: int, batch: int) -> list[Slot]:
        """Returns places for batches of a file for images of one size, in its device's memory;
        raises OutOfMemoryError and DeviceLostError."""
        assert self.card.image_size is not None
        size = (*self.card.image_size, 3)
        shape = size if self.card.batch is None else (batch, *size)
        with self._errors((batch, *size)):
            return [self._slot(shape) for _ in range(count)]

    def send_slot(self, slot: Slot) -> None:
        """Copies a slot's images to the device; raises as `run`."""
        with self._errors(slot.images.shape):
            slot.send()

    def run_slot(self, slot: Slot, count: int) -> list[ImageFaces]:
        """Returns the faces of the first images of a slot that was sent; raises as `run`."""
        with self._turn(), self._errors(slot.images.shape):
            outputs = slot.run(count)
        return self._by_image(outputs)[:count]

    def _start(self) -> Started:
        """Starts a session that also answers pictures without faces as the CPU does.

        OpenVINO, for one, repeats the faces of the picture before where a loop has nothing to do.
        """
        proof = EndToEndProof(self.card)
        # For providers that run fixed shapes alone.
        sizes = {"images": 1} if self.card.batch == "dynamic" else {}
        arguments = self._ort, self.path
        started = start_session(*arguments, self.choice, self.settings, proof, sizes)
        if started.provider is CPU or not proof.sees_faces(started.session):
            return started
        title, asked = started.provider.title, self.choice
        problem = f"{title} answers faces of the picture before on one without faces"
        if asked.name != AUTO:
            fix = "export the file with --image-size, for which it is right"
            raise ProviderError(str(asked), [CPU.name], fix, f"with {self.path.name}, {problem}")
        _log.warning("%s: %s; going on with the CPU", self.path, problem)
        return start_session(*arguments, ProviderChoice(CPU.name), self.settings, proof, sizes)

    def _slot(self, shape: tuple[int, ...]) -> Slot:
        if self._device is None:
            return HostSlot(self._session, shape, self.card.batch == "dynamic")
        return DeviceSlot(self._ort, self._session, shape, self._device)

    def _turn(self) -> AbstractContextManager[object]:
        """Lets one thread at a time call a device."""
        return nullcontext() if self.execution_provider.parallel_calls else self._lock

    @contextmanager
    def _errors(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Turns errors of ONNX Runtime on images of a shape (b, H, W, 3) into those of fkd."""
        try:
            yield
        except Exception as error:  # ONNX Runtime's errors share no other base
            count, height, width, _ = shape
            action = f"for images of {width} × {height} pixels, {count} at a time"
            name = self.card.name
            raise run_error(error, self.execution_provider, name, action, _SMALLER) from error

    def _by_image(self, outputs: Sequence[Floats]) -> list[ImageFaces]:
        if self.card.batch is None:
            outputs = [output[None] for output in outputs]
        return [self._faces(each) for each in zip(*outputs, strict=True)]

    def _faces(self, outputs: Sequence[Floats]) -> ImageFaces:
        """The faces of an image, without rows that are none."""
        scores = outputs[1]
        rows = np.flatnonzero(scores > 0) if self.card.image_size else np.arange(len(scores))
        faces = [output[rows] for output in outputs]
        if not all(np.isfinite(values).all() for values in (scores, *faces)):
            raise NonFiniteOutputError(self.card.name)
        return ImageFaces(**dict(zip(self._names, faces, strict=True)))


def _check_no_graphs(choice: ProviderChoice) -> None:
    """Raises SettingsError for recorded graphs, which batches in turn would each need."""
    if isinstance(choice.settings, CudaSettings) and choice.settings.graphs:
        raise SettingsError("graphs", "are for landmark networks alone", "use graphs=False")


def _device(provider: ExecutionProvider[Any], name: str) -> tuple[str, int] | None:
    """ONNX Runtime's name and number of the device whose memory is bound; None if it copies."""
    return ("cuda", int(name)) if provider in (CUDA, TENSORRT) else None
