"""Runs fkd-infer as a measured program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.subprocesses import ProcessUsage, run_pinned
from fkd_train.errors import RunError

STAGES = ("read", "detect", "crop", "landmarks", "draw", "write")


@dataclass(frozen=True)
class Inference:
    """How fkd-infer is run: its cores, and its workers (None: its own choice).

    Without `tuned` it ignores the profile that `fkd-infer tune` saved on this machine.
    """

    cores: int
    workers: int | None = None
    tuned: bool = False

    @property
    def conditions(self) -> dict[str, str]:
        """The conditions of its measurements."""
        workers = "as it comes" if self.workers is None else str(self.workers)
        return {
            "cores": str(self.cores),
            "workers": workers,
            "tuned": "yes" if self.tuned else "no",
        }

    def run(self, arguments: Sequence[str]) -> ProcessUsage:
        """Runs it with --quiet; raises ContenderError with its last line of output if it fails."""
        command = [sys.executable, "-m", "fkd_infer.cli.main", *arguments, "--quiet"]
        if self.workers is not None:
            command += ["--workers", str(self.workers)]
        if not self.tuned:
            command.append("--no-tuned")
        return run_pinned("fkd-infer", command, self.cores)

    def stages(self, arguments: Sequence[str]) -> Mapping[str, float]:
        """Seconds of each stage, summed over threads, in a run with the profiler."""
        with TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            self.run([*arguments, "--profile", str(trace)])
            return read_stage_seconds(trace)


def read_stage_seconds(trace: Path) -> dict[str, float]:
    """Sums the seconds of each stage in a trace of fkd-infer; raises RunError for another file."""
    try:
        events = json.loads(trace.read_text())["traceEvents"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(trace, f"it is not a trace of fkd-infer: {error!r}") from error
    seconds = dict.fromkeys(STAGES, 0.0)
    for event in events:
        if event["ph"] == "X" and event["name"] in seconds:
            seconds[event["name"]] += event["dur"] / 1e6
    return seconds
