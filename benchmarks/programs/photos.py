"""Folders of pictures: how many fkd-infer does in a second, on one core and on more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.harness.subprocesses import Finished
from benchmarks.programs.command import Inference
from benchmarks.programs.photo_set import make_folder

COMMAND = "throughput"
Output = Literal["json", "pictures"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
Way = tuple[Inference, Output]


def throughput(
    count: int,
    data: Path | None,
    ways: Sequence[Inference],
    outputs: Sequence[Output],
    rounds: int,
    folder: Path,
    recorder: Recorder,
) -> None:
    """Runs fkd-infer over a folder in all ways: once each with its profiler, and then in rounds."""
    photos = make_folder(folder, count, data)
    contenders = [(way, output) for output in outputs for way in ways]
    # First, since it is over soon and tells of an fkd-infer that cannot do it.
    stages = {(way, output): _stages(way, output, photos) for way, output in contenders}
    runs: dict[Way, list[Finished]] = {contender: [] for contender in contenders}
    for _ in range(rounds):
        # An order, no secret.
        for way, output in random.sample(contenders, len(contenders)):  # nosec B311
            with TemporaryDirectory(dir=folder) as out:
                runs[way, output].append(way.run(_arguments(photos, output, Path(out))))
    for way, output in contenders:
        figures = _figures(runs[way, output], count)
        one = _on_fewest_cores(way, ways)
        if one != way:
            taken = [[run.seconds for run in runs[w, output]] for w in (one, way)]
            figures[f"speed-up over {one.cores} core"] = Figure.of(statistics.ratio(*taken), "×")
        rates = tuple(count / run.seconds for run in runs[way, output])
        for part, some in {"speed": figures, "stages": stages[way, output]}.items():
            conditions = {"figures": part, "output": output, **way.conditions}
            blocks = rates if part == "speed" else ()
            name = f"{count} pictures"
            recorder.measured(
                Measurement(COMMAND, name, "fkd-infer", conditions, some, blocks=blocks)
            )


def _stages(way: Inference, output: Output, photos: Path) -> dict[str, Figure]:
    """Each stage's share of the time of all, those of all threads together."""
    with TemporaryDirectory(dir=photos.parent) as out:
        seconds = way.stages(_arguments(photos, output, Path(out)))
    whole = sum(seconds.values())
    return {name: Figure(100 * own / whole, "% of stages") for name, own in seconds.items()}


def _arguments(photos: Path, output: Output, out: Path) -> list[str]:
    where = ["--json", "-"] if output == "json" else ["--out", str(out)]
    return [str(photos), *where]


def _on_fewest_cores(way: Inference, ways: Sequence[Inference]) -> Inference:
    """The same with the fewest cores that there are."""
    same = [other for other in ways if other.workers == way.workers]
    return min(same, key=lambda other: other.cores)


def _figures(runs: Sequence[Finished], count: int) -> dict[str, Figure]:
    rate = statistics.rate([run.seconds for run in runs], count)
    cpu = statistics.median([run.cpu_seconds for run in runs])
    return {
        "speed": Figure.of(rate, "pictures/s", 1, "higher"),
        "CPU time": Figure.of(cpu, "ms/picture", 1000 / count, "lower"),
        "peak memory": Figure(max(run.peak_mib for run in runs), "MiB"),
    }
