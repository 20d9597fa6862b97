"""ONNX Runtime: one network, its card, and the provider that was asked for or an error."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fkd_infer.card import ModelCard
from fkd_infer.crop import Pixels
from fkd_infer.errors import (
    InvalidModelError,
    ModelFileNotFoundError,
    ProviderError,
    RuntimeInstallError,
)
from fkd_infer.names import Provider
from fkd_infer.settings import SessionSettings
from fkd_infer.types import Prediction

if TYPE_CHECKING:
    import onnxruntime

_ONNX_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_PACKAGES = ("onnxruntime", "onnxruntime-gpu")
_log = logging.getLogger(__name__)


def shipped_models() -> dict[str, Path]:
    """Name → file of the models that come with fkd."""
    package = Path(__file__).parent
    # In a wheel they lie in the package, in a checkout beside it.
    folder = next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)
    return {} if folder is None else {file.stem: file for file in sorted(folder.glob("*.onnx"))}


def find_model(model: str | Path) -> Path:
    """The file of a shipped model's name, or of a path; raises ModelFileNotFoundError."""
    shipped = shipped_models()
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
    it works. `settings` default to what is measured to be best for pipelines.
    """

    def __init__(
        self,
        model: str | Path,
        provider: Provider = "auto",
        settings: SessionSettings | None = None,
    ) -> None:
        ort = import_onnxruntime()
        self.path = find_model(model)
        self.settings = settings or SessionSettings()
        self._session = _open(ort, self.path, provider, self.settings)
        self.card = ModelCard.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, self.path
        )
        self.provider = _provider_name(self._session)
        _check_border(self._session, self.card, self.path)

    def run(self, crops: Pixels) -> Prediction:
        """Points in crop pixels, and scores, for crops (n, size, size, channels) uint8."""
        if not len(crops):
            empty = np.empty((0, self.card.landmarks.count, 2), dtype=np.float32)
            return Prediction(empty, empty[:, 0, 0] if self.card.output.score else None)
        points, *scores = self._session.run(None, {"image": crops})
        return Prediction(points, scores[0] if scores else None)

    def profiled(self, prefix: str) -> LandmarkSession:
        """The same session anew, which times each operator for `end_profile`."""
        provider: Provider = "cuda" if self.provider == "cuda" else "cpu"
        return LandmarkSession(self.path, provider, replace(self.settings, profile=prefix))

    def end_profile(self) -> tuple[Path, int]:
        """ONNX Runtime's profile, and when its zero was, in nanoseconds of its own clock."""
        started: int = self._session.get_profiling_start_time_ns()
        return Path(self._session.end_profiling()), started


def _open(
    ort: Any, path: Path, provider: Provider, settings: SessionSettings
) -> onnxruntime.InferenceSession:
    usable = [name for name, onnx_name in _ONNX_NAMES.items() if onnx_name in _offered(ort)]
    if provider == "cuda" and "cuda" not in usable:
        raise ProviderError("cuda", usable, "install the GPU runtime: pip install 'fkd[gpu]'")
    if provider != "cpu" and "cuda" in usable:
        session, why = _load_cuda(ort, path, settings)
        if session is not None:
            return session
        # First, so that a broken file is told as one, and not as a fault of CUDA.
        on_cpu = _load(ort, path, ["cpu"], settings)
        repair = f"ONNX Runtime did not start CUDA ({why}); check the driver and CUDA's libraries"
        if provider == "cuda":
            raise ProviderError("cuda", ["cpu"], repair)
        _log.warning("%s; going on with the CPU", repair)
        return on_cpu
    return _load(ort, path, ["cpu"], settings)


def _load_cuda(
    ort: Any, path: Path, settings: SessionSettings
) -> tuple[onnxruntime.InferenceSession | None, str]:
    """A session on CUDA, or none and the reason."""
    # It prints what it does not find, and standard output is for records.
    with redirect_stdout(sys.stderr):
        ort.preload_dlls()
    try:
        session = _load(ort, path, ["cuda", "cpu"], settings)
    except InvalidModelError as error:
        return None, str(error)
    if _provider_name(session) != "cuda":
        return None, "its provider did not load"
    return session, ""


def _offered(ort: Any) -> list[str]:
    offered: list[str] = ort.get_available_providers()
    return offered


def _load(
    ort: Any, path: Path, providers: list[str], settings: SessionSettings
) -> onnxruntime.InferenceSession:
    names, options = [_ONNX_NAMES[name] for name in providers], settings.options(ort)
    try:
        # Its own fallback goes on with the CPU in the middle of a run, and says so on stdout.
        return ort.InferenceSession(path, options, providers=names, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's errors share no other base
        why = " ".join(str(error).split())
        raise InvalidModelError(path, why) from error


def _provider_name(session: onnxruntime.InferenceSession) -> str:
    first = session.get_providers()[0]
    return next(name for name, onnx_name in _ONNX_NAMES.items() if onnx_name == first)


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
