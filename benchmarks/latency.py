"""Networks alone: what a batch of crops takes, contenders alternating in processes of their own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import RunError

SECONDS = 1.5
WARM_UP = 10

Run = Callable[[NDArray[np.uint8]], object]


def measure(models: list[Path], batch: int, threads: int, blocks: int) -> dict[Path, list[float]]:
    """Seconds of single calls of each model, in blocks that alternate in random order."""
    times: dict[Path, list[float]] = {model: [] for model in models}
    schedule = [model for _ in range(blocks) for model in random.sample(models, len(models))]
    for model in schedule:
        times[model] += _block_in_own_process(model, batch, threads)
    return times


def compare(models: list[Path], batch: int, threads: int, blocks: int) -> list[str]:
    """Lines with p50, p90 and p99 of each model, and its ratio to the last one's p50."""
    times = measure(models, batch, threads, blocks)
    reference = float(np.median(times[models[-1]]))
    head = f"batch {batch}, {threads} threads, {blocks} blocks of {SECONDS} s, milliseconds"
    return [head, *(_line(model, values, reference) for model, values in times.items())]


def prepared(contender: str, folder: Path) -> Path:
    """The file of a contender; of `recipe:NAME`, an untrained network of that recipe, exported.

    Untrained weights take as long as trained ones. Raises RunError for a file that is not there.
    """
    if not contender.startswith("recipe:"):
        if not Path(contender).exists():
            raise RunError(contender, "no such network; give a file, a run folder or recipe:NAME")
        return Path(contender)
    from fkd_train.checkpoint import save_checkpoint
    from fkd_train.config import load_recipe, recipe_to_dict
    from fkd_train.export import export
    from fkd_train.models import build

    recipe = load_recipe(contender.removeprefix("recipe:"))
    count = recipe.landmarks.count
    weights = build(recipe.model.spec(count)).state_dict()
    content = {"recipe": recipe_to_dict(recipe), "points": count, "weights": weights}
    checkpoint = folder / f"{recipe.name}-untrained.pt"
    save_checkpoint(checkpoint, {**content, "progress": {"epoch": 0}})
    return export(checkpoint, checkpoint.with_suffix(".onnx")).path


def _line(model: Path, values: list[float], reference: float) -> str:
    p50, p90, p99 = 1000 * np.percentile(values, [50, 90, 99])
    ratio = 1000 * reference / p50
    return f"{model.name:24} p50 {p50:7.2f}  p90 {p90:7.2f}  p99 {p99:7.2f}  {ratio:5.2f}×"


def _block_in_own_process(model: Path, batch: int, threads: int) -> list[float]:
    """Thread pools that spin in one process slow each other, so contenders never share one."""
    command = [sys.executable, "-m", "benchmarks.latency", str(model), str(batch), str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def block(run: Run, crops: NDArray[np.uint8]) -> list[float]:
    """Seconds of single calls, after a warm-up, for about SECONDS."""
    for _ in range(WARM_UP):
        run(crops)
    found: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        run(crops)
        found.append(time.perf_counter() - started)
    return found


def open_contender(model: Path, threads: int) -> tuple[Run, int, int]:
    """A network as a function of crops, its input size and channels."""
    if model.suffix == ".onnx":
        from fkd_infer.session import LandmarkSession
        from fkd_infer.settings import SessionSettings

        session = LandmarkSession(model, "cpu", SessionSettings(threads))
        return session.run, session.card.input.size, session.card.input.channels
    import torch

    from fkd_train.checkpoint import find_checkpoint, load_network
    from fkd_train.evaluate import torch_predict

    torch.set_num_threads(threads)
    network, recipe, _ = load_network(find_checkpoint(model, "last"))
    return torch_predict(network), recipe.model.size, recipe.model.channels


if __name__ == "__main__":
    contender, count, cores = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    function, size, channels = open_contender(contender, cores)
    rng = np.random.default_rng(0)
    print(
        json.dumps(block(function, rng.integers(0, 256, (count, size, size, channels), np.uint8)))
    )
