"""The process that runs one part: `python -m benchmarks.gpu.worker PART PLAN`, both in JSON.

It prints a line of JSON for each result, as soon as there is one.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import TextIO

from benchmarks.gpu.parts import Part
from benchmarks.gpu.plan import MACHINE, CheckPlan, FailedContender, Result, failed
from benchmarks.harness.results import Measurement, SkippedContender
from fkd_infer.system.files.strict_dataclass import parse_dataclass

_KINDS: dict[str, type[Result]] = {
    kind.__name__: kind for kind in (Measurement, SkippedContender, FailedContender)
}


def part_command(part: Part, plan: CheckPlan) -> list[str]:
    """The command that runs a part."""
    return [sys.executable, "-m", __name__, *(json.dumps(asdict(each)) for each in (part, plan))]


def parse_result(line: str) -> Result:
    """Reads a printed line."""
    table = json.loads(line)
    kind = _KINDS[table["kind"]]
    return parse_dataclass(kind, table["result"], kind.__name__)


def main(part_json: str, plan_json: str) -> int:
    """Runs a part; returns 1 if it ended with an error, which is the last result."""
    part, plan = Part(**json.loads(part_json)), CheckPlan(**json.loads(plan_json))
    with _results_alone() as out:
        try:
            for result in part.load()(plan):
                _write(out, result)
        except Exception as error:  # noqa: BLE001 (recorded, and the next part's turn)
            traceback.print_exc()
            _write(out, failed(MACHINE, part.name, error))
            return 1
    return 0


def _results_alone() -> TextIO:
    """Standard output for results; what libraries print goes to standard error."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "w", encoding="utf-8")


def _write(out: TextIO, result: Result) -> None:
    line = {"kind": type(result).__name__, "result": asdict(result)}
    print(json.dumps(line), file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
