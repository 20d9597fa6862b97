"""The report of an optimisation says what other runtimes make of the kept files."""

from __future__ import annotations

import json
from pathlib import Path

from fkd_train.optimize.landmarks import CandidateResult, OptimizationResult
from fkd_train.optimize.report import runtime_lines, write_report
from fkd_train.runtimes.check import RuntimeResult

KEPT = CandidateResult(
    "fp32", "net.onnx", "fp32", 1000, 4.0, 0.0, 0.001, None, 1.0, 1.0, None, True, "the reference"
)
CHECKED = RuntimeResult("openvino", "2026.4", 2e-5, 1e-7, "13 drawn faces", 0.5, None)


def result(folder: Path, runtimes: dict[str, tuple[RuntimeResult, ...]]) -> OptimizationResult:
    return OptimizationResult(folder, "6 faces", 0.1, "any", 2, (KEPT,), runtimes)


def test_runtimes_are_in_all_three_forms(tmp_path: Path) -> None:
    checked = result(tmp_path, {"net.onnx": (CHECKED,)})
    write_report(checked)
    (row,) = json.loads((tmp_path / "optimize.json").read_text())["runtimes"]["net.onnx"]
    assert (row["runtime"], row["largest_px"]) == ("openvino", 2e-5)
    markdown = (tmp_path / "optimize.md").read_text()
    assert "net.onnx in other runtimes:\n\n| runtime |" in markdown
    assert "| openvino | 2026.4 | 2e-05 | 1e-07 | 0.50 | runs: 13 drawn faces |" in markdown
    assert runtime_lines(checked)[1] == "net.onnx:"


def test_a_report_without_a_check_has_no_runtimes(tmp_path: Path) -> None:
    unchecked = result(tmp_path, {})
    write_report(unchecked)
    assert "runtimes" not in json.loads((tmp_path / "optimize.json").read_text())
    assert runtime_lines(unchecked) == []
