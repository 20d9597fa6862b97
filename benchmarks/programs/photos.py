"""Measures how many pictures per second fkd-infer processes, on one core and on more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.harness.subprocesses import ProcessUsage
from benchmarks.programs.inference_command import Inference
from benchmarks.programs.photo_set import make_photo_set

COMMAND = "throughput"
Output = Literal["json", "pictures"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
Case = tuple[Inference, Output]


def measure_photos(
    count: int,
    data: Path | None,
    inferences: Sequence[Inference],
    outputs: Sequence[Output],
    rounds: int,
    folder: Path,
    recorder: Recorder,
) -> None:
    """Runs every case on a folder of pictures: once with the profiler, then in rounds."""
    photos = make_photo_set(folder, count, data)
    cases = [(inference, output) for output in outputs for inference in inferences]
    # First, because it is short and shows whether fkd-infer works.
    stages = {case: _stages(case, photos) for case in cases}
    runs: dict[Case, list[ProcessUsage]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case in random.sample(cases, len(cases)):  # shuffling, not cryptography  # nosec B311
            runs[case].append(_run(case, photos))
    for case in cases:
        inference, output = case
        conditions = {"output": output, **inference.conditions}
        figures = _figures(runs[case], count)
        base = _fewest_cores(inference, inferences)
        if base != inference:
            seconds = [[run.seconds for run in runs[i, output]] for i in (base, inference)]
            speed_up = statistics.ratio_interval(*seconds)
            figures[f"speed-up over {base.cores} core"] = Figure.from_interval(speed_up, "×")
        rates = tuple(count / run.seconds for run in runs[case])
        recorder.add(_measurement(count, "speed", conditions, figures, rates))
        recorder.add(_measurement(count, "stages", conditions, stages[case]))


def _measurement(
    count: int,
    table: str,
    conditions: dict[str, str],
    figures: dict[str, Figure],
    blocks: tuple[float, ...] = (),
) -> Measurement:
    conditions = {"figures": table, **conditions}
    name = f"{count} pictures"
    return Measurement(COMMAND, name, "fkd-infer", conditions, figures, blocks=blocks)


def _run(case: Case, photos: Path) -> ProcessUsage:
    inference, output = case
    with TemporaryDirectory(dir=photos.parent) as out:
        return inference.run(_arguments(photos, output, Path(out)))


def _stages(case: Case, photos: Path) -> dict[str, Figure]:
    """Each stage's share of the sum of all stages, over all threads."""
    inference, output = case
    with TemporaryDirectory(dir=photos.parent) as out:
        seconds = inference.stages(_arguments(photos, output, Path(out)))
    total = sum(seconds.values())
    return {name: Figure(100 * own / total, "% of stages") for name, own in seconds.items()}


def _arguments(photos: Path, output: Output, out: Path) -> list[str]:
    options = ["--json", "-"] if output == "json" else ["--out", str(out)]
    return [str(photos), *options]


def _fewest_cores(inference: Inference, inferences: Sequence[Inference]) -> Inference:
    """The inference with the same number of workers and the fewest cores."""
    comparable = [other for other in inferences if other.workers == inference.workers]
    return min(comparable, key=lambda other: other.cores)


def _figures(runs: Sequence[ProcessUsage], count: int) -> dict[str, Figure]:
    rate = statistics.rate_interval([run.seconds for run in runs], count)
    cpu = statistics.median_interval([run.cpu_seconds for run in runs])
    return {
        "speed": Figure.from_interval(rate, "pictures/s", 1, "higher"),
        "CPU time": Figure.from_interval(cpu, "ms/picture", 1000 / count, "lower"),
        "peak memory": Figure(max(run.peak_mib for run in runs), "MiB"),
    }
