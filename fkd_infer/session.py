"""One network under ONNX Runtime, and its card."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.card import ModelCard
from fkd_infer.crop import Floats, Pixels
from fkd_infer.cuda import CudaBatches, CudaSettings
from fkd_infer.errors import (
    CudaSettingsError,
    InvalidModelError,
    ModelFileNotFoundError,
    OutOfMemoryError,
    RuntimeInstallError,
)
from fkd_infer.machine import DOT_PRODUCTS, cpu_features
from fkd_infer.names import DETECTOR_MODEL, Provider
from fkd_infer.providers import lacks_memory, provider_of, start_session
from fkd_infer.settings import SessionSettings
from fkd_infer.types import Prediction

if TYPE_CHECKING:
    import onnxruntime

_log = logging.getLogger(__name__)
_PACKAGES = ("onnxruntime", "onnxruntime-gpu")


def shipped_models(detectors: bool = False) -> dict[str, Path]:
    """Name → file of the models that come with fkd: those that place points, or find faces."""
    package = Path(__file__).parent
    # In a wheel they lie in the package, in a checkout beside it.
    folder = next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)
    found = [] if folder is None else sorted(folder.glob("*.onnx"))
    return {f.stem: f for f in found if f.stem.startswith(DETECTOR_MODEL) == detectors}


def find_model(model: str | Path, detectors: bool = False) -> Path:
    """The file of a shipped model's name, or of a path; raises ModelFileNotFoundError."""
    shipped = shipped_models(detectors)
    if str(model) in shipped:
        return shipped[str(model)]
    path = Path(model)
    if not path.is_file():
        raise ModelFileNotFoundError(model, shipped)
    return path


def import_onnxruntime() -> Any:
    """The onnxruntime module; raises RuntimeInstallError where none, or two, are installed."""
    installed = [name for name in _PACKAGES if _is_installed(name)]
    if len(installed) != 1:
        raise RuntimeInstallError(installed)
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
    session on CUDA alone; its graphs raise CudaSettingsError where the session runs elsewhere.
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
        self.settings = settings or SessionSettings.single_calls()
        self.cuda = cuda or CudaSettings()
        self._session = start_session(ort, self.path, provider, self.settings, self.cuda)
        self.card = ModelCard.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, self.path
        )
        self.provider = provider_of(self._session)
        _check_border(self._session, self.card, self.path)
        if self.provider == "cpu" and self.card.needs_dot_products and not _has_dot_products():
            _log.warning(
                "%s is for CPUs with VNNI, and here its points will be off; use the fp32 file, or "
                "export it again with --platform any",
                self.path,
            )
        self._answer = _answers(ort, self._session, self.provider, self.cuda)
        if self.provider == "cuda" and self.cuda.warm_up:
            size, channels = self.card.input.size, self.card.input.channels
            for count in self.cuda.buckets:
                self.run(np.zeros((count, size, size, channels), np.uint8))

    def run(self, crops: Pixels) -> Prediction:
        """Points in crop pixels, and scores, for crops (n, size, size, channels) uint8.

        Contiguous crops are read where they lie; others are copied first. Raises OutOfMemoryError.
        """
        if not len(crops):
            empty = np.empty((0, self.card.landmarks.count, 2), dtype=np.float32)
            return Prediction(empty, empty[:, 0, 0] if self.card.output.score else None)
        try:
            points, *scores = self._answer(crops)
        except Exception as error:  # ONNX Runtime's errors share no other base
            if not lacks_memory(error):
                raise
            raise OutOfMemoryError(self.provider, f"for a batch of {len(crops)}") from error
        return Prediction(points, scores[0] if scores else None)

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
        why = f"graphs need CUDA, and {provider!r} is what the session runs on; leave them out"
        raise CudaSettingsError(why)

    def answer(crops: Pixels) -> list[Floats]:
        outputs: list[Floats] = session.run(None, {"image": crops})
        return outputs

    return answer


def _check_border(session: onnxruntime.InferenceSession, card: ModelCard, path: Path) -> None:
    """The graph's inputs and outputs must be what the card says."""
    size, channels, count = card.input.size, card.input.channels, card.landmarks.count
    wanted = [
        ("image", "tensor(uint8)", [size, size, channels]),
        ("points", "tensor(float)", [count, 2]),
    ]
    if card.output.score:
        wanted.append(("score", "tensor(float)", []))
    nodes = [*session.get_inputs(), *session.get_outputs()]
    found = [(node.name, node.type, list(node.shape[1:])) for node in nodes]
    if found != wanted:
        raise InvalidModelError(path, f"the graph has {found}, its card says {wanted}")
    if any(isinstance(node.shape[0], int) for node in nodes):
        raise InvalidModelError(path, "the graph has a fixed batch size; export it with fkd-export")
