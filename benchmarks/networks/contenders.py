"""Who takes part: a network in every way that can run here, and who cannot, with the reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.harness.subprocesses import pinned, run_pinned
from benchmarks.networks.find import Network
from benchmarks.networks.worker import ON_PROVIDER, Kind, points_command, runner_contender
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

EAGER = "torch eager"
OURS = "ONNX Runtime, fkd's settings"
OURS_IN_PIPELINES = f"{OURS} for pipelines"
_TORCH: dict[str, Kind] = {
    EAGER: "torch",
    "torch channels_last": "torch-channels-last",
    "torch.compile": "torch-compile",
    "TorchScript, frozen": "torchscript",
}
_TORCH_CUDA: dict[str, Kind] = {
    f"{EAGER}, CUDA": "torch-cuda",
    "torch.compile, CUDA": "torch-compile-cuda",
}
_ONNX: dict[str, Kind] = {
    "ONNX Runtime as it comes": "ort-plain",
    "OpenVINO, fp32": "openvino-f32",
    "OpenVINO as it comes": "openvino",
}


@dataclass(frozen=True)
class Entry:
    """A file, and the way in which it is run."""

    name: str
    kind: Kind
    file: Path
    spin: bool = False
    device: str = CPU.name

    def contender(self, batch: int, threads: int) -> Contender:
        """Its process, kept to as many cores as it has threads."""
        if self.kind == "ort":
            settings = SessionSettings(threads, spin=self.spin)
            return pinned(session_contender(self.name, self.file, settings, batch), threads)
        contender = runner_contender(self.name, self.kind, self.file, batch, threads)
        return pinned(contender, threads)

    def points(self, threads: int) -> Floats:
        """Its points of drawn faces; raises FkdError where it cannot run."""
        self._check()
        with TemporaryDirectory() as folder:
            out = Path(folder) / "points.npy"
            run_pinned(self.name, points_command(self.kind, self.file, threads, out), threads)
            found: Floats = np.load(out)
        return found

    def _check(self) -> None:
        """Raises FkdError for what is known to be missing, in better words than its own."""
        if self.kind.startswith("openvino") and find_spec("openvino") is None:
            raise InstallError.of_extra("openvino", "bench")
        compilers = [os.environ.get("CXX", ""), "g++", "clang++"]
        if self.kind == "torch-compile" and not any(map(shutil.which, filter(None, compilers))):
            raise RunError(self.name, "there is no C++ compiler", "install g++")


@dataclass(frozen=True)
class Field:
    """Who takes part, with the points of each, and why others do not, by name."""

    entries: tuple[Entry, ...]
    points: dict[str, Floats]
    left_out: dict[str, str]

    def difference(self, entry: Entry) -> float:
        """Largest distance, in crop pixels, of its points from those of the first entry."""
        reference = self.points[self.entries[0].name]
        return float(np.linalg.norm(self.points[entry.name] - reference, axis=-1).max())


def entries_of(network: Network, devices: Collection[str]) -> tuple[list[Entry], dict[str, str]]:
    """Everyone who may take part on the CPU and these devices, and those who cannot for want of a
    checkpoint."""
    torch_kinds = dict.fromkeys(_TORCH.items(), CPU.name)
    if CUDA.name in devices:
        torch_kinds |= dict.fromkeys(_TORCH_CUDA.items(), CUDA.name)
    found, left_out = [], {}
    for (name, kind), device in torch_kinds.items():
        if network.checkpoint is None:
            left_out[name] = "there is no checkpoint of the network"
        else:
            found.append(Entry(name, kind, network.checkpoint, device=device))
    found += [Entry(name, kind, network.onnx) for name, kind in _ONNX.items()]
    for provider in PROVIDERS:
        if provider is not CPU and provider.name in devices:
            name, kind = f"ONNX Runtime, {provider.title}", ON_PROVIDER + provider.name
            found.append(Entry(name, kind, network.onnx, device=provider.name))
    return found + our_entries(network), left_out


def our_entries(network: Network) -> list[Entry]:
    """The network and its variants as a session alone runs them, with threads that spin; the
    network itself as in a pipeline, too, where they do not."""
    return [
        Entry(OURS, "ort", network.onnx, spin=True),
        Entry(OURS_IN_PIPELINES, "ort", network.onnx),
        *(Entry(f"{OURS}: {file.name}", "ort", file, spin=True) for file in network.variants),
    ]


def gather(network: Network, threads: int, wanted: Sequence[str]) -> Field:
    """Lets each run once; `wanted` are parts of names, none for everyone.

    Raises RunError where nobody is left.
    """
    entries, left_out = entries_of(network, _devices())
    if wanted:
        entries = [e for e in entries if any(part in e.name for part in wanted)]
        left_out = {n: why for n, why in left_out.items() if any(p in n for p in wanted)}
    points: dict[str, Floats] = {}
    for entry in entries:
        try:
            points[entry.name] = entry.points(threads)
        except FkdError as error:
            left_out[entry.name] = _reason(error, entry)
    able = tuple(entry for entry in entries if entry.name in points)
    if not able:
        raise RunError(network.onnx, f"nothing can run it: {'; '.join(left_out.values())}")
    return Field(able, points, left_out)


def _reason(error: FkdError, entry: Entry) -> str:
    """The error's text without the name, which stands beside it."""
    if isinstance(error, ContenderError):
        return error.output
    return error.without_subject if error.subject == entry.name else str(error)


def _devices() -> set[str]:
    """The devices that a network can run on here, as the providers call them."""
    import torch

    devices = {provider.name for provider in usable_providers(import_onnxruntime())}
    devices.discard(CUDA.name)
    return devices | {CUDA.name} if torch.cuda.is_available() else devices
