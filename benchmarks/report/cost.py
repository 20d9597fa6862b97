"""What many images cost, from the rates in files of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.results import Measurement, Run
from fkd_train.errors import RunError


@dataclass(frozen=True)
class Rate:
    """Images per hour of one core or GPU, as `what` was measured."""

    what: str
    unit: str
    images: float

    def line(self, images: float, price: float | None) -> str:
        """Hours for this many images, and their price if that of an hour is given."""
        hours = images / self.images
        text = f"{self.what}: {self.images:,.0f} images per {self.unit}-hour; "
        text += f"{images:,.0f} images take {hours:,.0f} {self.unit}-hours"
        return text if price is None else f"{text} and cost {hours * price:,.2f}"


def cost_lines(
    runs: Sequence[Run], path: Path, images: float, prices: dict[str, float | None]
) -> list[str]:
    """A line per rate of `throughput` and of `gpu`; `prices` are of an hour of "core" and "GPU".

    Raises RunError if there is no such rate.
    """
    rates = [rate for run in runs for m in run.measurements for rate in _rates(m)]
    if not rates:
        raise RunError(path, "it has no result of the commands throughput and gpu")
    return [rate.line(images, prices[rate.unit]) for rate in rates]


def _rates(m: Measurement) -> Iterator[Rate]:
    conditions = m.conditions
    if m.command == "throughput" and "speed" in m.figures:
        cores = int(conditions["cores"])
        what = f"{m.model} as {conditions['output']} on {cores} cores"
        yield Rate(what, "core", 3600 * m.figures["speed"].value / cores)
    # Images that are in memory already, by all threads of one process with one GPU.
    is_gpu = m.command == "gpu" and not m.contender.startswith("cpu")
    if is_gpu and conditions.get("scene", "").startswith("many()"):
        yield Rate(f"{m.contender}, {conditions['scene']}", "GPU", 3600 * m.figures["images"].value)
