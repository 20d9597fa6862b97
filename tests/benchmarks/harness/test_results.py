"""Results that are written to a file and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_measurements import latency, speed, write_results

from benchmarks.harness.results import Figure, Recorder, SkippedContender, read_runs
from benchmarks.networks.candidates import FKD_SETTINGS, TORCH_EAGER
from fkd_infer.errors import OutputError
from fkd_train.errors import RunError


def test_reads_back_what_it_wrote(tmp_path: Path) -> None:
    messages: list[str] = []
    recorder = Recorder(tmp_path / "new" / "a.jsonl", messages.append)
    recorder.add(latency(FKD_SETTINGS, 1.5))
    recorder.skip(SkippedContender("latency", "net.onnx", TORCH_EAGER, "no checkpoint"))
    (run,) = read_runs([tmp_path / "new" / "a.jsonl"])
    assert run.measurements == [latency(FKD_SETTINGS, 1.5)]
    assert run.skipped == [SkippedContender("latency", "net.onnx", TORCH_EAGER, "no checkpoint")]
    assert run.environment.packages["numpy"]
    assert run.environment.cores
    assert messages[-1] == f"left out: net.onnx, {TORCH_EAGER}: no checkpoint"
    assert "p50 1.5 [1.48, 1.52] ms" in messages[-2]


def test_appends_runs_to_a_file(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", speed(1))
    write_results(path, speed(2), speed(3))
    assert [len(run.measurements) for run in read_runs([path])] == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "fkd-benchmark/0"}, "line 2 is not a result: its schema is 'fkd-benchmark/0'"),
        ({"measurement": {"command": "latency"}}, "line 2 is not a result: measurement"),
        ({"run": "another"}, "line 2 is not a result: 'another'"),
    ],
)
def test_names_an_invalid_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write_results(tmp_path / "a.jsonl", speed(1))
    first, second = path.read_text().splitlines()
    path.write_text("\n".join([first, json.dumps(json.loads(second) | change)]))
    with pytest.raises(RunError, match=message):
        read_runs([path])


def test_reports_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Recorder(tmp_path / "file" / "a.jsonl", lambda _: None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1234"), (0.123456, "0.123"), (0.00001, "<0.001"), (0, "0"), (99.95, "100")],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert str(Figure(value, "ms")) == f"{text} ms"
