"""Splits a network's time by operator, with ONNX Runtime's profiler."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.subprocesses import run_pinned

CALLS, WARM_UP = 200, 20
BETWEEN = "between operators"


@dataclass(frozen=True)
class Operator:
    """All nodes of one type: milliseconds per call, and percent of the call."""

    name: str
    milliseconds: float
    share: float


def profile(model: Path, threads: int, spin: bool) -> list[Operator]:
    """Profiles a network at batch 1; returns its operator types, slowest first."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "trace.json"
        arguments = [str(model), str(threads), str(int(spin)), str(out)]
        command = [sys.executable, "-m", __name__, *arguments]
        run_pinned(f"the profile of {model.name}", command, threads)
        return sum_by_operator(json.loads(out.read_text()))


def sum_by_operator(events: list[dict[str, Any]]) -> list[Operator]:
    """Sums a trace's events by operator type, without the warm-up calls."""
    seconds: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in events:
        name = event["name"]
        if event["cat"] == "Node" and name.endswith("_kernel_time"):
            kinds[name] = event["args"]["op_name"]
            seconds[name].append(event["dur"] / 1000)
    runs = [e["dur"] / 1000 for e in events if e["name"] == "model_run"][WARM_UP:]
    call = sum(runs) / len(runs)
    totals: dict[str, float] = defaultdict(float)
    for name, values in seconds.items():
        totals[kinds[name]] += sum(values[WARM_UP:]) / len(runs)
    totals[BETWEEN] = call - sum(totals.values())
    slowest = sorted(totals.items(), key=lambda item: -item[1])
    return [Operator(name, value, 100 * value / call) for name, value in slowest]


def main(model: str, threads: str, spin: str, out: str) -> None:
    """Runs the network with the profiler."""
    from benchmarks.networks.worker import noise_crops
    from fkd_infer.runtime.session import LandmarkSession
    from fkd_infer.runtime.settings import SessionSettings

    settings = SessionSettings(int(threads), spin=bool(int(spin)), profile=out)
    session = LandmarkSession(model, "cpu", settings)
    crops = noise_crops(1, session.card.input.size, session.card.input.channels)
    for _ in range(WARM_UP + CALLS):
        session.run(crops)
    session.end_profile()[0].rename(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
