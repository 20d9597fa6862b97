"""The side of a contender that runs a network: `python -m benchmarks.networks.worker`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import PROVIDERS
from fkd_infer.tuning.interleaved import Contender, serve

if TYPE_CHECKING:
    import torch

Kind: TypeAlias = str
"""How a network is run: one of KINDS."""
ON_PROVIDER = "ort-on-"
KINDS: tuple[Kind, ...] = (
    "torch",
    "torch-channels-last",
    "torch-compile",
    "torchscript",
    "torch-cuda",
    "torch-compile-cuda",
    "ort-plain",
    "ort",
    *(ON_PROVIDER + provider.name for provider in PROVIDERS),
    "openvino",
    "openvino-f32",
)
CHECKED = 8
"""Drawn faces on which contenders are compared."""

Answer = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Opened:
    """A network as a function of crops (n, size, size, channels) uint8; points come first."""

    call: Callable[[Pixels], Answer]
    size: int
    channels: int


def runner_contender(name: str, kind: Kind, file: Path, batch: int, threads: int) -> Contender:
    """A network in one of the ways of KINDS, called with one batch of crops again and again."""
    command = [sys.executable, "-m", __name__, kind, str(file), str(batch), str(threads)]
    return Contender(name, command)


def points_command(kind: Kind, file: Path, threads: int, out: Path) -> list[str]:
    """The program that writes the network's points (CHECKED, k, 2) of drawn faces to an .npy."""
    arguments = [kind, str(file), str(CHECKED), str(threads), str(out)]
    return [sys.executable, "-m", __name__, *arguments]


def open_network(kind: Kind, file: Path, batch: int, threads: int) -> Opened:
    """The network of a checkpoint or an ONNX file, as its kind runs it."""
    if kind.startswith("torch"):
        return _open_torch(kind, file, batch, threads)
    if kind.startswith("openvino"):
        return _open_openvino(file, batch, threads, precise=kind == "openvino-f32")
    if kind == "ort-plain":
        return _open_plain(file, threads)
    from fkd_infer.runtime.session import LandmarkSession
    from fkd_infer.runtime.settings import SessionSettings

    provider = kind.removeprefix(ON_PROVIDER) if kind.startswith(ON_PROVIDER) else CPU.name
    session = LandmarkSession(file, provider, SessionSettings(threads))
    inputs = session.card.input
    return Opened(lambda crops: [session.run(crops).points], inputs.size, inputs.channels)


def _open_torch(kind: Kind, file: Path, batch: int, threads: int) -> Opened:
    """torch_predict would do, but it sets the network's mode at each call, which takes time."""
    import torch

    from fkd_train.checkpoints import load_landmark_network

    torch.set_num_threads(threads)
    network, recipe, _ = load_landmark_network(file)
    device = "cuda" if kind.endswith("cuda") else "cpu"
    size, channels = recipe.model.size, recipe.model.channels
    example = torch.zeros(batch, size, size, channels, dtype=torch.uint8, device=device)
    module = _in_its_way(kind, network.to(device), example)

    def call(crops: Pixels) -> Answer:
        with torch.inference_mode():
            return [part.cpu().numpy() for part in module(torch.from_numpy(crops).to(device))]

    return Opened(call, size, channels)


def _in_its_way(kind: Kind, network: torch.nn.Module, example: torch.Tensor) -> Any:
    """The network as it is, or rewritten by one of torch's means."""
    import torch

    if kind == "torch-channels-last":
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if kind in ("torch-compile", "torch-compile-cuda"):
        return torch.compile(network)
    if kind == "torchscript":
        with torch.inference_mode():
            traced = torch.jit.trace(network, (example,))  # type: ignore[no-untyped-call]
            return torch.jit.freeze(traced)
    return network


def _open_plain(file: Path, threads: int) -> Opened:
    """ONNX Runtime with nothing set but the threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    _, size, _, channels = session.get_inputs()[0].shape
    return Opened(lambda crops: session.run(None, {"image": crops}), size, channels)


def _open_openvino(file: Path, batch: int, threads: int, precise: bool) -> Opened:
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    _, size, _, channels = (int(d.get_max_length()) for d in model.inputs[0].partial_shape)
    model.reshape([batch, size, size, channels])
    config: dict[str, object] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if precise:
        config["INFERENCE_PRECISION_HINT"] = "f32"
    request = core.compile_model(model, "CPU", config).create_infer_request()

    def call(crops: Pixels) -> Answer:
        request.infer([crops], share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]

    return Opened(call, size, channels)


def noise(batch: int, size: int, channels: int) -> Pixels:
    """Crops to time; what is on them makes no difference to the time."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, size, size, channels), np.uint8)


def drawn(batch: int, size: int, channels: int) -> Pixels:
    """Crops with faces, to compare answers on."""
    from fkd_train.data.synthetic import draw_face

    rng = np.random.default_rng(0)
    faces = np.stack([draw_face(size, rng)[0] for _ in range(batch)])
    return np.repeat(faces[..., None], channels, axis=3)


def main(kind: Kind, file: str, batch: str, threads: str, out: str | None = None) -> None:
    """Opens the network, and serves or writes its points."""
    opened = open_network(kind, Path(file), int(batch), int(threads))
    size = int(batch), opened.size, opened.channels
    if out is not None:
        np.save(out, opened.call(drawn(*size))[0])
        return
    crops = noise(*size)
    opened.call(crops)  # compiles what is compiled at the first call, before it is ready
    serve(lambda: opened.call(crops))


if __name__ == "__main__":
    given = sys.argv[1:]
    assert given[0] in KINDS
    main(given[0], *given[1:])
