"""The matrix of faults: how many were injected, and how many were survived, at the end of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath

import pytest

_ROWS = {
    "test_inputs": "bad and unusual files in one folder",
    "test_runs": "disks, memory, limits, two runs at once, resuming",
    "test_permissions": "files and folders that are closed",
    "test_networks": "networks and detectors that fail in the middle",
    "test_kills": "kills of batches and videos",
    "test_models": "models, cards, manifests",
    "live": "attacks on the live page, and its own failures",
    "test_fuzz": "fuzzing",
    "properties": "properties, each on many examples",
    "test_checkpoints": "checkpoints",
    "test_training_kills": "kills of training",
    "train": "training",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A row for each kind of fault: tests, and those that did not pass."""
    counts: Counter[tuple[str, bool]] = Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            row = _row(report.nodeid)
            if row and (outcome != "passed" or report.when == "call"):
                counts[row, outcome == "passed"] += 1
    rows = [row for row in _ROWS.values() if counts[row, True] or counts[row, False]]
    if not rows:
        return
    terminalreporter.section("faults")
    for row in rows:
        survived, failed = counts[row, True], counts[row, False]
        terminalreporter.write_line(
            f"{row:52} {survived + failed:5} injected {survived:5} survived"
        )


def _row(nodeid: str) -> str | None:
    file = PurePath(nodeid.partition("::")[0])
    if "faults" not in file.parts:
        return None
    return _ROWS.get(file.stem) or _ROWS.get(file.parent.name)
