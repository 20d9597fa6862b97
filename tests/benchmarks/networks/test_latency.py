"""Measurements of a tiny network."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from benchmarks.cli.main import main
from benchmarks.harness.results import read_runs
from benchmarks.networks.candidates import FKD_PIPELINE_SETTINGS, FKD_SETTINGS
from benchmarks.networks.latency import time_models


def test_measures_and_writes_latency(fixed_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["latency", str(fixed_model), "--only", FKD_SETTINGS]
    arguments += ["--batch", "2", "--threads", "1"]
    arguments += ["--blocks", "2", "--seconds", "0.01", "--out", str(out)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (run,) = read_runs([out])
    assert [m.contender for m in run.measurements] == [FKD_SETTINGS, FKD_PIPELINE_SETTINGS]
    for m in run.measurements:
        assert m.conditions == {"device": "cpu", "batch": "2", "threads": "1"}
        p50 = m.figures["p50"]
        assert p50.low is not None
        assert p50.high is not None
        assert 0 < p50.low <= p50.value <= p50.high < 100
        assert m.figures["p99"].value >= m.figures["p90"].value > 0
        assert m.figures["largest difference"].value == 0
        assert len(m.blocks) == 2


def test_returns_the_times_of_each_file(fixed_model: Path) -> None:
    times = time_models([fixed_model], batch=1, threads=1, blocks=1)
    assert list(times) == [fixed_model]
    assert len(times[fixed_model]) > 100
