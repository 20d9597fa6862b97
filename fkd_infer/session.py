"""One network under ONNX Runtime, and its card."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.borders import check_landmark_border
from fkd_infer.card import ModelCard
from fkd_infer.crop import Floats, Pixels
from fkd_infer.cuda import CudaBatches, CudaSettings
from fkd_infer.errors import InstallError, ModelFileNotFoundError, OutOfMemoryError, SettingsError
from fkd_infer.machine import DOT_PRODUCTS, cpu_features
from fkd_infer.modelfile import check_file, check_model
from fkd_infer.names import DETECTOR_MODEL, Provider
from fkd_infer.providers import provider_of, run_error, start_session
from fkd_infer.settings import SessionSettings
from fkd_infer.types import Prediction

if TYPE_CHECKING:
    import onnxruntime

_log = logging.getLogger(__name__)
_PACKAGES = ("onnxruntime", "onnxruntime-gpu")


def models_folder() -> Path | None:
    """Where the models that come with fkd are: in a wheel in the package, in a checkout beside it;
    None where there is no such place."""
    package = Path(__file__).parent
    return next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)


def shipped_models(detectors: bool = False) -> dict[str, Path]:
    """Name → file of the models that come with fkd: those that place points, or find faces."""
    folder = models_folder()
    found = [] if folder is None else sorted(folder.glob("*.onnx"))
    return {f.stem: f for f in found if f.stem.startswith(DETECTOR_MODEL) == detectors}


def find_model(model: str | Path, detectors: bool = False) -> Path:
    """The file of a shipped model's name, or of a path.

    Raises ModelFileNotFoundError, and InvalidModelError for what is no file of a model's size.
    """
    shipped = shipped_models(detectors)
    if str(model) in shipped:
        return shipped[str(model)]
    path = Path(model)
    if not os.path.exists(path):  # noqa: PTH110 (Path's raises for what can be no file's name)
        raise ModelFileNotFoundError(model, shipped)
    check_file(path)
    return path


def import_onnxruntime() -> Any:
    """The onnxruntime module; raises InstallError where none, or two, are installed."""
    installed = [name for name in _PACKAGES if _is_installed(name)]
    if len(installed) != 1:
        raise InstallError.of_runtime(installed)
    import onnxruntime

    return onnxruntime


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


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
