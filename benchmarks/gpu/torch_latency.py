"""The part that times torch with the same networks, in turns with fkd's session."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gpu.contenders import (
    Opener,
    Runner,
    Variant,
    half_files,
    time_contenders,
    variants,
)
from benchmarks.gpu.latency import noise_batches, open_session, ways
from benchmarks.gpu.plan import NO_TIME, CheckPlan, Result, left_out
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.system.hardware import available_threads

if TYPE_CHECKING:
    import torch

WAYS: dict[str, dict[str, Any] | None] = {
    "eager": None,
    "compile": {"mode": "default"},
    "compile, graphs": {"mode": "reduce-overhead"},
}
"""Arguments of torch.compile by name, None to run the module as it is."""
_PRECISIONS = ("tf32", "fp16", "fp32")
"""The likeliest comparison first: time may end."""
_RECOMPILATIONS = 256
"""More than all contenders need; at torch's default, later ones would run without compilation."""


def time_torch(plan: CheckPlan) -> Iterator[Result]:
    """Yields the time a face of each network in torch, eager and compiled, and in fkd's quickest
    session of the same precision; all of them take and return NumPy arrays."""
    import torch
    import torch._dynamo

    torch._dynamo.config.recompile_limit = _RECOMPILATIONS
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    torch.set_num_threads(available_threads())
    with half_files() as half:
        for file in plan.networks:
            if plan.is_over:
                yield left_out(file, "torch", NO_TIME)
                continue
            checkpoint = file.with_suffix(".pt")
            if not checkpoint.is_file():
                yield left_out(file, "torch", f"there is no {checkpoint.name} beside it")
                continue
            of_precision: dict[str, Variant] = {}
            for found in variants(plan, file, half):
                if isinstance(found, Variant):
                    of_precision[found.precision] = found
                else:
                    yield found
            for precision in _PRECISIONS:
                if (variant := of_precision.get(precision)) is None:
                    continue
                contenders = torch_contenders(plan, checkpoint, precision)
                way, choice = list(ways(variant.choice, plan.batches).items())[-1]
                session = f"{plan.execution_provider.title}, {precision}{way}"
                contenders[session] = partial(open_session, variant.file, choice)
                batches = noise_batches(plan, file)
                yield from time_contenders(plan, "torch", file, contenders, batches)


def torch_contenders(plan: CheckPlan, checkpoint: Path, precision: str) -> dict[str, Opener]:
    """A checkpoint's network in torch in each way; quick checks compile nothing."""
    device = f"cuda:{plan.choice.device or 0}" if plan.is_nvidia else "cpu"
    return {
        f"torch {way}, {precision}": partial(open_torch, checkpoint, precision, device, arguments)
        for way, arguments in WAYS.items()
        if arguments is None or not plan.quick
    }


def open_torch(
    checkpoint: Path, precision: str, device: str, compile_arguments: dict[str, Any] | None
) -> Runner:
    """Opens a checkpoint on a device; it is compiled for each size of a batch at the first one.

    In tf32, factors are rounded to 10 bits; in fp16, autocast chooses the operators.
    """
    import torch

    from fkd_train.checkpoints import load_landmark_network

    network: torch.nn.Module = load_landmark_network(checkpoint)[0].eval().to(device)
    if compile_arguments is not None:
        network.compile(dynamic=False, **compile_arguments)
    half = torch.autocast(device.partition(":")[0], torch.float16, enabled=precision == "fp16")

    def run(crops: Pixels) -> list[Any]:
        torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        with torch.inference_mode(), half:
            outputs = network(torch.from_numpy(crops).to(device))
            return [output.cpu().numpy() for output in outputs]

    return run
