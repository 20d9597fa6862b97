"""Reports as Markdown with plots."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from sample_measurements import accuracy, latency, write_results

from benchmarks.cli.main import main
from benchmarks.networks.candidates import FKD_SETTINGS, TORCH_EAGER
from benchmarks.report.markdown import markdown, table
from fkd_infer.media.images.file import read_image


def test_writes_a_table_for_each_kind_of_row_and_plots(tmp_path: Path) -> None:
    results = write_results(
        tmp_path / "a.jsonl",
        latency(TORCH_EAGER, 4.0, "pt"),
        latency(FKD_SETTINGS, 1.0, "a"),
        latency(f"{FKD_SETTINGS}: net-int8.onnx", 0.5, "b"),
        accuracy("net.onnx", 4.0, "a"),
        accuracy("net-int8.onnx", 4.1, "b"),
    )
    out = tmp_path / "report"
    done = CliRunner().invoke(main, ["report", str(results), "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = (out / "report.md").read_text()
    assert "### net.onnx, batch 1, 1 thread" in text
    assert f"| {FKD_SETTINGS} | 1 [0.99, 1.01] | 2 |" in text
    assert "| net-int8.onnx | 4.1 [4, 4.2] |" in text
    for name in ("latency-net.png", "accuracy-latency.png"):
        assert f"]({name})" in text
        assert read_image(out / name).shape[0] > 200


def test_rejects_files_without_measurements(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl")
    done = CliRunner().invoke(main, ["report", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "there is nothing to report" in done.output


def test_a_table_omits_constant_columns_except_figures() -> None:
    rows = [latency(FKD_SETTINGS, 1.0), latency(TORCH_EAGER, 1.0)]
    assert markdown(table(rows)) == [
        "| contender | p50, ms | p99, ms |",
        "| --- | --- | --- |",
        f"| {FKD_SETTINGS} | 1 [0.99, 1.01] | 2 |",
        f"| {TORCH_EAGER} | 1 [0.99, 1.01] | 2 |",
    ]
