"""fkd-infer as a program that is measured from outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.subprocesses import Finished, run_pinned
from fkd_train.errors import RunError

STAGES = ("read", "detect", "crop", "landmarks", "draw", "write")


@dataclass(frozen=True)
class Inference:
    """How fkd-infer is run: on so many cores, with so many workers (None: its own choice).

    Not `tuned`, it does not see what `fkd-infer tune` found on this machine.
    """

    cores: int
    workers: int | None = None
    tuned: bool = False

    @property
    def conditions(self) -> dict[str, str]:
        """What results depend on."""
        workers = "as it comes" if self.workers is None else str(self.workers)
        return {
            "cores": str(self.cores),
            "workers": workers,
            "tuned": "yes" if self.tuned else "no",
        }

    def run(self, arguments: Sequence[str]) -> Finished:
        """Runs it without a word; raises ContenderError with its last line where it fails."""
        command = [sys.executable, "-m", "fkd_infer.cli.main", *arguments, "--quiet"]
        if self.workers is not None:
            command += ["--workers", str(self.workers)]
        if not self.tuned:
            command.append("--no-tuned")
        return run_pinned("fkd-infer", command, self.cores)

    def stages(self, arguments: Sequence[str]) -> Mapping[str, float]:
        """Seconds of each stage, those of all threads together, in a run with the profiler on."""
        with TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            self.run([*arguments, "--profile", str(trace)])
            return stage_seconds(trace)


def stage_seconds(trace: Path) -> dict[str, float]:
    """Seconds of each stage in a trace that fkd-infer wrote; raises RunError for another file."""
    try:
        events = json.loads(trace.read_text())["traceEvents"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(trace, f"no trace of fkd-infer: {error!r}") from error
    found = dict.fromkeys(STAGES, 0.0)
    for event in events:
        if event["ph"] == "X" and event["name"] in found:
            found[event["name"]] += event["dur"] / 1e6
    return found
