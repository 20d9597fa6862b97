"""Results as files: written, read, compared and reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, read_runs
from benchmarks.networks.contenders import EAGER, OURS
from benchmarks.report.compare import changes
from benchmarks.report.markdown import markdown, table
from fkd_infer.errors import OutputError
from fkd_infer.media.images.file import read_image
from fkd_train.errors import RunError

CPU = {"device": "cpu", "batch": "1", "threads": "1"}


def latency(contender: str, p50: float, sha256: str = "x", model: str = "net.onnx") -> Measurement:
    figures = {
        "p50": Figure(p50, "ms", 0.99 * p50, 1.01 * p50, "lower"),
        "p99": Figure(2 * p50, "ms"),
    }
    return Measurement("latency", model, contender, CPU, figures, sha256, (p50, p50))


def accuracy(name: str, nme: float, sha256: str) -> Measurement:
    figures = {"NME": Figure(nme, "%", nme - 0.1, nme + 0.1)}
    conditions = {"split": "official", "boxes": "points"}
    return Measurement("accuracy", name, "as fkd-eval", conditions, figures, sha256)


def speed(value: float) -> Measurement:
    figures = {"speed": Figure(value, "frames/s", 0.99 * value, 1.01 * value, "higher")}
    return Measurement("pipeline", "720p-1", "fkd-infer", {"figures": "speed"}, figures)


def write(path: Path, *measurements: Measurement) -> Path:
    recorder = Recorder(path, lambda _: None)
    for measurement in measurements:
        recorder.measured(measurement)
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    said: list[str] = []
    recorder = Recorder(tmp_path / "new" / "a.jsonl", said.append)
    recorder.measured(latency(OURS, 1.5))
    recorder.left_out(LeftOut("latency", "net.onnx", EAGER, "no checkpoint"))
    (run,) = read_runs([tmp_path / "new" / "a.jsonl"])
    assert run.measurements == [latency(OURS, 1.5)]
    assert run.left_out == [LeftOut("latency", "net.onnx", EAGER, "no checkpoint")]
    assert run.environment.packages["numpy"]
    assert run.environment.cores
    assert said[-1] == f"left out: net.onnx, {EAGER}: no checkpoint"
    assert "p50 1.5 [1.48, 1.52] ms" in said[-2]


def test_runs_are_appended_to_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", speed(1))
    write(path, speed(2), speed(3))
    assert [len(run.measurements) for run in read_runs([path])] == [1, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "fkd-benchmark/0"}, "line 2 is no result: its schema is 'fkd-benchmark/0'"),
        ({"measurement": {"command": "latency"}}, "line 2 is no result: measurement"),
        ({"run": "another"}, "line 2 is no result: 'another'"),
    ],
)
def test_a_line_that_is_no_result_is_named(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = write(tmp_path / "a.jsonl", speed(1))
    first, second = path.read_text().splitlines()
    path.write_text("\n".join([first, json.dumps(json.loads(second) | change)]))
    with pytest.raises(RunError, match=said):
        read_runs([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "no"), str(tmp_path / "no")])
    assert done.exit_code == 1
    assert done.output.startswith("compare: ")
    assert "no results can be read" in done.output


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Recorder(tmp_path / "file" / "a.jsonl", lambda _: None)


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        ([latency(OURS, 1.0)], [latency(OURS, 1.1)], 1, "10.0 % worse: latency: net.onnx"),
        ([latency(OURS, 1.0)], [latency(OURS, 0.5)], 0, "0 worse, 1 better"),
        ([latency(OURS, 1.0)], [latency(OURS, 1.015)], 0, "0 worse, 0 better"),
        ([latency(OURS, 1.0)], [latency(OURS, 1.025)], 0, "0 worse, 0 better"),
        ([speed(100)], [speed(50)], 1, "100.0 % worse: pipeline: 720p-1"),
        ([speed(100)], [speed(200)], 0, "0 worse, 1 better"),
        ([latency(OURS, 1.0)], [latency(EAGER, 9.0)], 0, "0 figures compared"),
        ([latency(OURS, 9.0), latency(OURS, 1.0)], [latency(OURS, 1.1)], 1, "1 worse"),
    ],
)
def test_compare_fails_where_something_became_worse(
    tmp_path: Path, before: list[Measurement], after: list[Measurement], code: int, said: str
) -> None:
    files = [write(tmp_path / "a.jsonl", *before), write(tmp_path / "b.jsonl", *after)]
    done = CliRunner().invoke(main, ["compare", *map(str, files)], catch_exceptions=False)
    assert done.exit_code == code
    assert said in done.output


def test_more_percent_let_more_pass(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{p50}", latency(OURS, p50)) for p50 in (1.0, 1.1)]
    done = CliRunner().invoke(main, ["compare", *map(str, files), "--percent", "15"])
    assert done.exit_code == 0


def test_intervals_that_overlap_are_chance_however_far_apart_the_values_are(tmp_path: Path) -> None:
    wide = latency(OURS, 2.0)
    wide = replace(wide, figures={"p50": Figure(2.0, "ms", 0.9, 3.0, "lower")})
    runs = [
        read_runs([write(tmp_path / "a", latency(OURS, 1.0))]),
        read_runs([write(tmp_path / "b", wide)]),
    ]
    (change,) = changes(*runs)
    assert change.factor == 2.0
    assert not change.apart


def test_another_machine_is_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", speed(1))
    other = tmp_path / "b.jsonl"
    text = path.read_text()
    cpu = json.loads(text.splitlines()[0])["environment"]["cpu"]
    other.write_text(text.replace(cpu, "Abacus"))
    done = CliRunner().invoke(main, ["compare", str(path), str(other)])
    assert f"cpu differs: {cpu} and Abacus" in done.output


def test_the_report_has_a_table_for_each_kind_of_row_and_its_plots(tmp_path: Path) -> None:
    results = write(
        tmp_path / "a.jsonl",
        latency(EAGER, 4.0, "pt"),
        latency(OURS, 1.0, "a"),
        latency(f"{OURS}: net-int8.onnx", 0.5, "b"),
        accuracy("net.onnx", 4.0, "a"),
        accuracy("net-int8.onnx", 4.1, "b"),
    )
    out = tmp_path / "report"
    done = CliRunner().invoke(main, ["report", str(results), "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = (out / "report.md").read_text()
    assert "### net.onnx, batch 1, 1 thread" in text
    assert f"| {OURS} | 1 [0.99, 1.01] | 2 |" in text
    assert "| net-int8.onnx | 4.1 [4, 4.2] |" in text
    for name in ("latency-net.png", "accuracy-latency.png"):
        assert f"]({name})" in text
        assert read_image(out / name).shape[0] > 200


def test_files_without_a_measurement_make_no_report(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    done = CliRunner().invoke(main, ["report", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "there is nothing to report" in done.output


def test_a_table_leaves_out_what_is_the_same_everywhere_but_never_a_figure() -> None:
    rows = [latency(OURS, 1.0), latency(EAGER, 1.0)]
    assert markdown(table(rows)) == [
        "| contender | p50, ms | p99, ms |",
        "| --- | --- | --- |",
        f"| {OURS} | 1 [0.99, 1.01] | 2 |",
        f"| {EAGER} | 1 [0.99, 1.01] | 2 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1234"), (0.123456, "0.123"), (0.00001, "<0.001"), (0, "0"), (99.95, "100")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert str(Figure(value, "ms")) == f"{text} ms"
