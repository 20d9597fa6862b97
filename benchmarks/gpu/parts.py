"""The parts of a check, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pkgutil import resolve_name

from benchmarks.gpu.plan import CheckPlan, Result


@dataclass(frozen=True)
class Part:
    """A part, the seconds after which it is ended, and its function, as "module:name"."""

    name: str
    seconds: float
    function: str

    def load(self) -> Callable[[CheckPlan], Iterator[Result]]:
        """Imports the function."""
        function: Callable[[CheckPlan], Iterator[Result]] = resolve_name(self.function)
        return function


PARTS = (
    Part("installation", 40, "benchmarks.gpu.installation:describe_installation"),
    Part("start", 70, "benchmarks.gpu.installation:prove_strictness"),
    Part("parity", 100, "benchmarks.gpu.parity:prove_parity"),
    Part("latency", 120, "benchmarks.gpu.latency:time_networks"),
    Part("detector", 70, "benchmarks.gpu.detector:measure_detector"),
    Part("pipeline", 70, "benchmarks.gpu.pipeline:time_pipelines"),
    Part("end-to-end", 80, "benchmarks.gpu.end_to_end:time_end_to_end"),
    Part("torch", 240, "benchmarks.gpu.torch_latency:time_torch"),
    Part("tensorrt", 120, "benchmarks.gpu.latency:time_tensorrt"),
)
"""What proves comes before what measures, and what may take long comes last."""
