"""One network under ONNX Runtime, and its card."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.choices import Provider
from fkd_infer.errors import OutOfMemoryError, SettingsError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_landmark_border
from fkd_infer.runtime.cuda import CudaBatches, CudaSettings
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers import provider_of, run_error, start_session
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import DOT_PRODUCTS, cpu_features
from fkd_infer.types import Prediction

if TYPE_CHECKING:
    import onnxruntime

_log = logging.getLogger(__name__)


class LandmarkSession:
    """A network that places points on crops.

    `provider`: "cpu"; "cuda", which is used or raises ProviderError; "auto", which is CUDA where
    it works. `settings` default to what is quickest for single calls. `cuda` holds for a
    session on CUDA alone; its graphs raise SettingsError where the session runs elsewhere.
    """

    def __init__(
        self,
        model: str | Path,
        provider: Provider = "auto",
        settings: SessionSettings | None = None,
        cuda: CudaSettings | None = None,
    ) -> None:
        ort = import_onnxruntime()
        self.path = find_model(model)
        found = check_model(self.path)
        self.card = ModelCard.from_metadata(found.metadata, self.path)
        check_landmark_border(found, self.card, self.path)
        self.settings = settings or SessionSettings.single_calls()
        self.cuda = cuda or CudaSettings()
        self._session = start_session(ort, self.path, provider, self.settings, self.cuda)
        self.provider = provider_of(self._session)
        if self.provider == "cpu" and self.card.needs_dot_products and not _has_dot_products():
            _log.warning(
                "%s is for CPUs with VNNI, and here its points will be off; use the fp32 file, or "
                "export it again with --platform any",
                self.path,
            )
        self._largest: int | None = None
        self._answer = _answers(ort, self._session, self.provider, self.cuda)
        if self.provider == "cuda" and self.cuda.warm_up:
            size, channels = self.card.input.size, self.card.input.channels
            for count in self.cuda.buckets:
                self.run(np.zeros((count, size, size, channels), np.uint8))

    def run(self, crops: Pixels) -> Prediction:
        """Points in crop pixels, and scores, for crops (n, size, size, channels) uint8.

        Contiguous crops are read where they lie; others are copied first. Where memory is short, a
        batch is run in halves, and those after it are no larger. Raises OutOfMemoryError,
        DeviceLostError and InferenceError.
        """
        most = self._largest
        if most is not None and len(crops) > most:
            return self._in_parts(crops, most)
        if not len(crops):
            empty = np.empty((0, self.card.landmarks.count, 2), dtype=np.float32)
            return Prediction(empty, empty[:, 0, 0] if self.card.output.score else None)
        try:
            points, *scores = self._answer(crops)
        except Exception as error:  # ONNX Runtime's errors share no other base
            what = f"for a batch of {len(crops)}"
            ours = run_error(error, self.provider, self.card.name, what, "give smaller batches")
            if not isinstance(ours, OutOfMemoryError) or len(crops) == 1:
                raise ours from error
        else:
            return Prediction(points, scores[0] if scores else None)
        half = (len(crops) + 1) // 2
        self._largest = min(self._largest or half, half)
        _log.warning("too little memory for %d faces at once; going on with %d", len(crops), half)
        return self._in_parts(crops, half)

    def _in_parts(self, crops: Pixels, most: int) -> Prediction:
        parts = [self.run(crops[at : at + most]) for at in range(0, len(crops), most)]
        scores = [part.scores for part in parts if part.scores is not None]
        return Prediction(
            np.concatenate([part.points for part in parts]),
            np.concatenate(scores) if scores else None,
        )

    def profiled(self, prefix: str) -> LandmarkSession:
        """The same session anew, which times each operator for `end_profile`."""
        provider: Provider = "cuda" if self.provider == "cuda" else "cpu"
        return LandmarkSession(
            self.path, provider, replace(self.settings, profile=prefix), self.cuda
        )

    def end_profile(self) -> tuple[Path, int]:
        """ONNX Runtime's profile, and when its zero was, in nanoseconds of its own clock."""
        started: int = self._session.get_profiling_start_time_ns()
        return Path(self._session.end_profiling()), started


def _has_dot_products() -> bool:
    """Whether the CPU adds up products of bytes exactly; taken for granted where it is unknown."""
    features = set(cpu_features())
    return not features or bool(features & DOT_PRODUCTS)


def _answers(
    ort: Any, session: onnxruntime.InferenceSession, provider: str, cuda: CudaSettings
) -> Callable[[Pixels], list[Floats]]:
    """How a session is called: from crops to the network's outputs."""
    if provider == "cuda":
        return CudaBatches(ort, session, cuda)
    if cuda.graphs:
        problem = f"need CUDA, and {provider!r} is what the session runs on"
        raise SettingsError("graphs", problem, "leave them out")

    def answer(crops: Pixels) -> list[Floats]:
        outputs: list[Floats] = session.run(None, {"image": crops})
        return outputs

    return answer
