"""Traces of fkd-infer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.programs.inference_command import read_stage_seconds


def test_sums_stages_over_threads(tmp_path: Path) -> None:
    spans = [
        ("detect", 1_000_000, 1),
        ("detect", 500_000, 2),
        ("write", 250_000, 1),
        ("Conv", 9, 1),
    ]
    events = [{"ph": "X", "name": name, "dur": dur, "tid": tid} for name, dur, tid in spans]
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"traceEvents": [{"ph": "M", "name": "detect"}, *events]}))
    seconds = read_stage_seconds(trace)
    assert seconds["detect"] == pytest.approx(1.5)
    assert seconds["write"] == pytest.approx(0.25)
    assert seconds["read"] == 0
