"""Comparison of two runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_measurements import latency, speed, write_results

from benchmarks.cli.main import main
from benchmarks.harness.results import Figure, Measurement, read_runs
from benchmarks.networks.candidates import FKD_SETTINGS, TORCH_EAGER
from benchmarks.report.compare import find_changes


@pytest.mark.parametrize(
    ("before", "after", "code", "text"),
    [
        (
            [latency(FKD_SETTINGS, 1.0)],
            [latency(FKD_SETTINGS, 1.1)],
            1,
            "10.0 % worse: latency: net.onnx",
        ),
        ([latency(FKD_SETTINGS, 1.0)], [latency(FKD_SETTINGS, 0.5)], 0, "0 worse, 1 better"),
        ([latency(FKD_SETTINGS, 1.0)], [latency(FKD_SETTINGS, 1.015)], 0, "0 worse, 0 better"),
        ([latency(FKD_SETTINGS, 1.0)], [latency(FKD_SETTINGS, 1.025)], 0, "0 worse, 0 better"),
        ([speed(100)], [speed(50)], 1, "100.0 % worse: pipeline: 720p-1"),
        ([speed(100)], [speed(200)], 0, "0 worse, 1 better"),
        ([latency(FKD_SETTINGS, 1.0)], [latency(TORCH_EAGER, 9.0)], 0, "0 figures compared"),
        (
            [latency(FKD_SETTINGS, 9.0), latency(FKD_SETTINGS, 1.0)],
            [latency(FKD_SETTINGS, 1.1)],
            1,
            "1 worse",
        ),
    ],
)
def test_exits_with_1_if_a_figure_became_worse(
    tmp_path: Path, before: list[Measurement], after: list[Measurement], code: int, text: str
) -> None:
    files = [
        write_results(tmp_path / "a.jsonl", *before),
        write_results(tmp_path / "b.jsonl", *after),
    ]
    done = CliRunner().invoke(main, ["compare", *map(str, files)], catch_exceptions=False)
    assert done.exit_code == code
    assert text in done.output


def test_a_higher_percentage_ignores_larger_changes(tmp_path: Path) -> None:
    files = [write_results(tmp_path / f"{p50}", latency(FKD_SETTINGS, p50)) for p50 in (1.0, 1.1)]
    done = CliRunner().invoke(main, ["compare", *map(str, files), "--percent", "15"])
    assert done.exit_code == 0


def test_overlapping_intervals_are_not_significant(tmp_path: Path) -> None:
    wide = latency(FKD_SETTINGS, 2.0)
    wide = replace(wide, figures={"p50": Figure(2.0, "ms", 0.9, 3.0, "lower")})
    runs = [
        read_runs([write_results(tmp_path / "a", latency(FKD_SETTINGS, 1.0))]),
        read_runs([write_results(tmp_path / "b", wide)]),
    ]
    (change,) = find_changes(*runs)
    assert change.factor == 2.0
    assert not change.apart


def test_reports_a_different_machine(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", speed(1))
    other = tmp_path / "b.jsonl"
    text = path.read_text()
    cpu = json.loads(text.splitlines()[0])["environment"]["cpu"]
    other.write_text(text.replace(cpu, "Abacus"))
    done = CliRunner().invoke(main, ["compare", str(path), str(other)])
    assert f"cpu differs: {cpu} and Abacus" in done.output
