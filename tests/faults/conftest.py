"""Prints how many faults of each kind were injected and survived, at the end of a test run."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath

import pytest

_KINDS = {
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
"""Descriptions by test file or folder."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints a line per kind of fault, and what tests recorded as the property "kills"."""
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    details: list[str] = []
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            kind = _kind(report.nodeid)
            if kind and (outcome != "passed" or report.when == "call"):
                (passed if outcome == "passed" else failed)[kind] += 1
                details += [text for name, text in report.user_properties if name == "kills"]
    kinds = [kind for kind in _KINDS.values() if passed[kind] or failed[kind]]
    if not kinds:
        return
    terminalreporter.section("faults")
    for kind in kinds:
        injected = passed[kind] + failed[kind]
        line = f"{kind:52} {injected:5} injected {passed[kind]:5} survived"
        terminalreporter.write_line(line)
    for detail in details:
        terminalreporter.write_line(detail)


def _kind(nodeid: str) -> str | None:
    """The kind of fault of a test in tests/faults, or None."""
    file = PurePath(nodeid.partition("::")[0])
    if "faults" not in file.parts:
        return None
    return _KINDS.get(file.stem) or _KINDS.get(file.parent.name)
