"""The process that runs a network: `python -m benchmarks.networks.worker`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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

Engine: TypeAlias = str
"""Name of a way to run a network: one of ENGINES."""
PROVIDER_PREFIX = "ort-on-"
PARITY_FACES = 8
"""Drawn faces on which the outputs of candidates are compared."""

Outputs = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class RunnableNetwork:
    """A function of crops (n, size, size, channels) uint8 whose first output is the points."""

    call: Callable[[Pixels], Outputs]
    size: int
    channels: int


def engine_contender(name: str, engine: Engine, file: Path, batch: int, threads: int) -> Contender:
    """A process that calls a network with the same batch of crops repeatedly."""
    command = [sys.executable, "-m", __name__, engine, str(file), str(batch), str(threads)]
    return Contender(name, command)


def points_command(engine: Engine, file: Path, threads: int, out: Path) -> list[str]:
    """The command that writes the network's points (PARITY_FACES, k, 2) on drawn faces to .npy."""
    arguments = [engine, str(file), str(PARITY_FACES), str(threads), str(out)]
    return [sys.executable, "-m", __name__, *arguments]


def _open_torch(
    file: Path,
    batch: int,
    threads: int,
    prepare: Callable[[torch.nn.Module, torch.Tensor], Any] = lambda network, _: network,
    device: str = "cpu",
) -> RunnableNetwork:
    """A checkpoint in torch; torch_predict would also set the network's mode at every call."""
    import torch

    from fkd_train.checkpoints import load_landmark_network

    torch.set_num_threads(threads)
    network, recipe, _ = load_landmark_network(file)
    size, channels = recipe.model.size, recipe.model.channels
    example = torch.zeros(batch, size, size, channels, dtype=torch.uint8, device=device)
    module = prepare(network.to(device), example)

    def call(crops: Pixels) -> Outputs:
        with torch.inference_mode():
            return [part.cpu().numpy() for part in module(torch.from_numpy(crops).to(device))]

    return RunnableNetwork(call, size, channels)


def _channels_last(network: torch.nn.Module, _: torch.Tensor) -> Any:
    import torch

    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _compiled(network: torch.nn.Module, _: torch.Tensor) -> Any:
    import torch

    return torch.compile(network)


def _frozen(network: torch.nn.Module, example: torch.Tensor) -> Any:
    import torch

    with torch.inference_mode():
        traced = torch.jit.trace(network, (example,))  # type: ignore[no-untyped-call]
        return torch.jit.freeze(traced)


def _open_session(file: Path, _: int, threads: int, provider: str = CPU.name) -> RunnableNetwork:
    """fkd's own session, on the device of a provider."""
    from fkd_infer.runtime.session import LandmarkSession
    from fkd_infer.runtime.settings import SessionSettings

    session = LandmarkSession(file, provider, SessionSettings(threads))
    inputs = session.card.input
    return RunnableNetwork(lambda crops: [session.run(crops).points], inputs.size, inputs.channels)


def _open_plain_session(file: Path, _: int, threads: int) -> RunnableNetwork:
    """ONNX Runtime with its defaults, except for the number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    _, size, _, channels = session.get_inputs()[0].shape
    return RunnableNetwork(lambda crops: session.run(None, {"image": crops}), size, channels)


def _open_openvino(
    file: Path, batch: int, threads: int, precision: str | None = None
) -> RunnableNetwork:
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    _, size, _, channels = (int(d.get_max_length()) for d in model.inputs[0].partial_shape)
    model.reshape([batch, size, size, channels])
    config: dict[str, object] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if precision is not None:
        config["INFERENCE_PRECISION_HINT"] = precision
    request = core.compile_model(model, "CPU", config).create_infer_request()

    def call(crops: Pixels) -> Outputs:
        request.infer([crops], share_inputs=True)
        return [tensor.data for tensor in request.output_tensors]

    return RunnableNetwork(call, size, channels)


ENGINES: dict[Engine, Callable[[Path, int, int], RunnableNetwork]] = {
    "torch": _open_torch,
    "torch-channels-last": partial(_open_torch, prepare=_channels_last),
    "torch-compile": partial(_open_torch, prepare=_compiled),
    "torchscript": partial(_open_torch, prepare=_frozen),
    "torch-cuda": partial(_open_torch, device="cuda"),
    "torch-compile-cuda": partial(_open_torch, prepare=_compiled, device="cuda"),
    "ort-plain": _open_plain_session,
    "ort": _open_session,
    **{PROVIDER_PREFIX + p.name: partial(_open_session, provider=p.name) for p in PROVIDERS},
    "openvino": _open_openvino,
    "openvino-f32": partial(_open_openvino, precision="f32"),
}
"""Opens a model file for a batch size and a number of threads."""


def noise_crops(batch: int, size: int, channels: int) -> Pixels:
    """Crops for timing; their content does not affect the time."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, size, size, channels), np.uint8)


def drawn_crops(batch: int, size: int, channels: int) -> Pixels:
    """Crops with faces, on which outputs are compared."""
    from fkd_train.data.synthetic import draw_face

    rng = np.random.default_rng(0)
    faces = np.stack([draw_face(size, rng)[0] for _ in range(batch)])
    return np.repeat(faces[..., None], channels, axis=3)


def main(engine: Engine, file: str, batch: str, threads: str, out: str | None = None) -> None:
    """Opens the network, and serves timed calls or writes its points to `out`."""
    network = ENGINES[engine](Path(file), int(batch), int(threads))
    shape = int(batch), network.size, network.channels
    if out is not None:
        np.save(out, network.call(drawn_crops(*shape))[0])
        return
    crops = noise_crops(*shape)
    network.call(crops)  # some engines compile at the first call
    serve(lambda: network.call(crops))


if __name__ == "__main__":
    main(*sys.argv[1:])
