"""Selects the candidates of a comparison: a network with every engine that runs here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.harness.subprocesses import pin_contender, run_pinned
from benchmarks.networks.network_files import Network
from benchmarks.networks.worker import PROVIDER_PREFIX, Engine, engine_contender, points_command
from fkd_infer.errors import ContenderError, FkdError, InstallError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.registry import PROVIDERS, usable_providers
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import Contender
from fkd_infer.tuning.session_worker import session_contender
from fkd_train.errors import RunError

TORCH_EAGER = "torch eager"
FKD_SETTINGS = "ONNX Runtime, fkd's settings"
FKD_PIPELINE_SETTINGS = f"{FKD_SETTINGS} for pipelines"
_TORCH: dict[str, Engine] = {
    TORCH_EAGER: "torch",
    "torch channels_last": "torch-channels-last",
    "torch.compile": "torch-compile",
    "TorchScript, frozen": "torchscript",
}
_TORCH_CUDA: dict[str, Engine] = {
    f"{TORCH_EAGER}, CUDA": "torch-cuda",
    "torch.compile, CUDA": "torch-compile-cuda",
}
_ONNX: dict[str, Engine] = {
    "ONNX Runtime as it comes": "ort-plain",
    "OpenVINO, fp32": "openvino-f32",
    "OpenVINO as it comes": "openvino",
}


@dataclass(frozen=True)
class Candidate:
    """A model file, and the engine that runs it."""

    name: str
    engine: Engine
    file: Path
    spin: bool = False
    device: str = CPU.name

    def contender(self, batch: int, threads: int) -> Contender:
        """Its process, limited to as many cores as it has threads."""
        if self.engine == "ort":
            settings = SessionSettings(threads, spin=self.spin)
            return pin_contender(session_contender(self.name, self.file, settings, batch), threads)
        contender = engine_contender(self.name, self.engine, self.file, batch, threads)
        return pin_contender(contender, threads)

    def points(self, threads: int) -> Floats:
        """The points that it places on drawn faces; raises FkdError if it cannot run."""
        self._check_requirements()
        with TemporaryDirectory() as folder:
            out = Path(folder) / "points.npy"
            run_pinned(self.name, points_command(self.engine, self.file, threads, out), threads)
            points: Floats = np.load(out)
        return points

    def _check_requirements(self) -> None:
        """Raises a clear FkdError for a missing package or compiler."""
        if self.engine.startswith("openvino") and find_spec("openvino") is None:
            raise InstallError.of_extra("openvino", "bench")
        compilers = [os.environ.get("CXX", ""), "g++", "clang++"]
        if self.engine == "torch-compile" and not any(map(shutil.which, filter(None, compilers))):
            raise RunError(self.name, "there is no C++ compiler", "install g++")


@dataclass(frozen=True)
class CandidateSet:
    """Candidates that run here, their points, and why others do not run, each by name."""

    candidates: tuple[Candidate, ...]
    points: dict[str, Floats]
    skipped: dict[str, str]

    def difference(self, candidate: Candidate) -> float:
        """Largest distance, in crop pixels, between its points and the first candidate's."""
        reference = self.points[self.candidates[0].name]
        return float(np.linalg.norm(self.points[candidate.name] - reference, axis=-1).max())


def all_candidates(
    network: Network, devices: Collection[str]
) -> tuple[list[Candidate], dict[str, str]]:
    """Candidates for the CPU and `devices`, and why others are skipped, by name."""
    torch_engines = dict.fromkeys(_TORCH.items(), CPU.name)
    if CUDA.name in devices:
        torch_engines |= dict.fromkeys(_TORCH_CUDA.items(), CUDA.name)
    candidates, skipped = [], {}
    for (name, engine), device in torch_engines.items():
        if network.checkpoint is None:
            skipped[name] = "there is no checkpoint of the network"
        else:
            candidates.append(Candidate(name, engine, network.checkpoint, device=device))
    candidates += [Candidate(name, engine, network.onnx) for name, engine in _ONNX.items()]
    for provider in PROVIDERS:
        if provider is not CPU and provider.name in devices:
            name, engine = f"ONNX Runtime, {provider.title}", PROVIDER_PREFIX + provider.name
            candidates.append(Candidate(name, engine, network.onnx, device=provider.name))
    return candidates + fkd_candidates(network), skipped


def fkd_candidates(network: Network) -> list[Candidate]:
    """The network and its variants with the settings of a session alone (threads spin), and the
    network with those of a pipeline (threads sleep)."""
    return [
        Candidate(FKD_SETTINGS, "ort", network.onnx, spin=True),
        Candidate(FKD_PIPELINE_SETTINGS, "ort", network.onnx),
        *(
            Candidate(f"{FKD_SETTINGS}: {file.name}", "ort", file, spin=True)
            for file in network.variants
        ),
    ]


def select_candidates(network: Network, threads: int, filters: Sequence[str]) -> CandidateSet:
    """Runs each candidate once; `filters` are parts of names, or empty for all candidates.

    Raises RunError if none runs.
    """
    candidates, skipped = all_candidates(network, _devices())
    if filters:
        candidates = [c for c in candidates if any(part in c.name for part in filters)]
        skipped = {n: why for n, why in skipped.items() if any(part in n for part in filters)}
    points: dict[str, Floats] = {}
    for candidate in candidates:
        try:
            points[candidate.name] = candidate.points(threads)
        except FkdError as error:
            skipped[candidate.name] = _reason(error, candidate)
    running = tuple(candidate for candidate in candidates if candidate.name in points)
    if not running:
        raise RunError(network.onnx, f"nothing can run it: {'; '.join(skipped.values())}")
    return CandidateSet(running, points, skipped)


def _reason(error: FkdError, candidate: Candidate) -> str:
    """The error's text without the candidate's name."""
    if isinstance(error, ContenderError):
        return error.output
    return error.without_subject if error.subject == candidate.name else str(error)


def _devices() -> set[str]:
    """Names of the providers whose devices can run a network here."""
    import torch

    devices = {provider.name for provider in usable_providers(import_onnxruntime())}
    devices.discard(CUDA.name)
    return devices | {CUDA.name} if torch.cuda.is_available() else devices
