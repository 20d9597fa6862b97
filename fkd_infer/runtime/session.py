"""A landmark network in a session of ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fkd_infer.errors import InvalidModelError, OutOfMemoryError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_landmark_signature, fixed_batch
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.proof import LandmarkProof
from fkd_infer.runtime.providers.base import PlannedSettings
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import AUTO
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session
from fkd_infer.system.hardware import DOT_PRODUCTS, cpu_features
from fkd_infer.types import Prediction

_log = logging.getLogger(__name__)


class LandmarkSession:
    """A network that places points on crops.

    `provider` is an execution provider by name, perhaps with a device ("openvino:GPU"), or a
    ProviderChoice: it is used, wholly, or ProviderError is raised. "auto" stands for the first one
    that proves itself. `settings` default to the fastest for single calls.
    """

    def __init__(
        self,
        model: str | Path,
        provider: str | ProviderChoice = AUTO,
        settings: SessionSettings | None = None,
    ) -> None:
        ort = import_onnxruntime()
        self.path = find_model(model)
        file = check_model(self.path)
        self.card = ModelCard.from_metadata(file.metadata, self.path)
        check_landmark_signature(file, self.card, self.path)
        if not self.card.input.has_border:
            problem = "it takes float planes, which other programs prepare"
            raise InvalidModelError(self.path, problem, "export it without --no-border")
        self._fixed_batch = fixed_batch(file)
        self.settings = settings or SessionSettings.single_calls()
        self.choice = ProviderChoice.of(provider)
        self._fields = self.card.output.fields
        size, channels = self.card.input.size, self.card.input.channels
        proof = LandmarkProof(size, channels, self._fixed_batch or 1)
        sizes = {name: 1 for name in file.inputs[0].shape[:1] if isinstance(name, str)}
        self.started = start_session(ort, self.path, self.choice, self.settings, proof, sizes)
        self._session = self.started.session
        self.execution_provider = chosen = self.started.provider
        if chosen.fixed_shapes:
            self._fixed_batch = self._fixed_batch or 1
        if chosen is CPU and self.card.needs_dot_products and not _has_dot_products():
            _log.warning(
                "%s is for CPUs with VNNI, and here its points will be off; use the fp32 file, or "
                "export it again with --platform any",
                self.path,
            )
        self._max_batch = self._fixed_batch
        own_settings = chosen.own_settings(self.choice.settings)
        if self._fixed_batch and isinstance(own_settings, PlannedSettings):
            own_settings = replace(own_settings, buckets=(self._fixed_batch,))
        self._run_batch = chosen.runner(ort, self._session, own_settings, self.started.device)
        for count in chosen.warm_up_batches(own_settings):
            self.run(np.zeros((count, size, size, channels), np.uint8))

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles a session by its arguments: it is started anew."""
        return type(self), (self.path, self.choice, self.settings)

    @property
    def provider(self) -> str:
        """The name of the provider that the session runs on."""
        return self.execution_provider.name

    def run(self, crops: Pixels) -> Prediction:
        """Returns the network's outputs for crops (n, size, size, channels) uint8.

        Contiguous crops are not copied. If memory runs out, the batch is run in halves, and later
        batches are no larger than those. A network of a fixed batch size gets parts of that size,
        the last of them filled up. Raises OutOfMemoryError, DeviceLostError and
        InferenceError.
        """
        if not len(crops):
            return self._empty_prediction()
        if self._max_batch is not None and len(crops) > self._max_batch:
            return self._run_in_parts(crops, self._max_batch)
        if self._fixed_batch is not None and len(crops) < self._fixed_batch:
            return self._run_padded(crops, self._fixed_batch)
        try:
            outputs = self._run_batch(crops)
        except Exception as error:  # ONNX Runtime's errors share no other base
            action = f"for a batch of {len(crops)}"
            fkd_error = run_error(error, self.execution_provider, self.card.name, action)
            divisible = len(crops) > 1 and self._fixed_batch is None
            if not isinstance(fkd_error, OutOfMemoryError) or not divisible:
                raise fkd_error from error
        else:
            return self._prediction(outputs)
        half = (len(crops) + 1) // 2
        self._max_batch = min(self._max_batch or half, half)
        _log.warning("too little memory for %d faces at once; going on with %d", len(crops), half)
        return self._run_in_parts(crops, half)

    def profiled(self, prefix: str) -> LandmarkSession:
        """Starts the same session again, to time each operator for `end_profile`."""
        settings = replace(self.settings, profile=prefix)
        choice = replace(self.choice, name=self.provider, device=self.started.device)
        return LandmarkSession(self.path, choice, settings)

    def end_profile(self) -> tuple[Path, int]:
        """Returns ONNX Runtime's profile and its start, in nanoseconds of ONNX Runtime's clock."""
        started: int = self._session.get_profiling_start_time_ns()
        return Path(self._session.end_profiling()), started

    def _prediction(self, outputs: Sequence[Floats]) -> Prediction:
        """The outputs by name; their order is that of the card."""
        return Prediction(**dict(zip(self._fields, outputs, strict=True)))

    def _empty_prediction(self) -> Prediction:
        points = np.empty((0, self.card.landmarks.count, 2), np.float32)
        empty = {"points": points, "scores": points[:, 0, 0], "spreads": points[..., 0]}
        return self._prediction([empty[name] for name in self._fields])

    def _run_padded(self, crops: Pixels, size: int) -> Prediction:
        """Runs a batch of a fixed size, of which these crops are the first."""
        batch = np.zeros((size, *crops.shape[1:]), np.uint8)
        batch[: len(crops)] = crops
        return self.run(batch).first(len(crops))

    def _run_in_parts(self, crops: Pixels, size: int) -> Prediction:
        starts = range(0, len(crops), size)
        return Prediction.concatenate([self.run(crops[i : i + size]) for i in starts])


def _has_dot_products() -> bool:
    """Whether the CPU sums products of bytes exactly; True if its features are unknown."""
    features = set(cpu_features())
    return not features or bool(features & DOT_PRODUCTS)
