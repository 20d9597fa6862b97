"""Parts of a check: whatever becomes of one, its results are recorded and the others run."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_driver import fake_nvidia_smi
from repo_paths import TESTS

from benchmarks.cli.main import main
from benchmarks.gpu.check import missing_device, part_results, run_check
from benchmarks.gpu.parts import PARTS, Part
from benchmarks.gpu.plan import NO_TIME, CheckPlan
from benchmarks.harness.results import Recorder, Run, read_runs
from fkd_infer.cli.command import SOME_FAILED
from fkd_infer.errors import SettingsError

ANSWER, FAIL, CRASH, HANG = (
    Part(name, 60, f"gpu_parts:{name}") for name in ("answer", "fail", "crash", "hang")
)
PLAN = CheckPlan("cpu", quick=True)


class Checked:
    """What a check recorded, reported and returned."""

    def __init__(self, folder: Path, *parts: Part, seconds: float = 600) -> None:
        out = folder / "results.jsonl"
        self.lines: list[str] = []
        recorder = Recorder(out, lambda _: None, quiet=True)
        self.failures = run_check(PLAN, parts, seconds, recorder, self.lines.append)
        self.run: Run = read_runs([out])[0]

    @property
    def whys(self) -> list[str]:
        return [skipped.why for skipped in self.run.skipped]


@pytest.fixture(autouse=True)
def _parts_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def test_records_results_of_every_kind(tmp_path: Path) -> None:
    checked = Checked(tmp_path, ANSWER)
    (measurement,) = checked.run.measurements
    assert measurement.figures["time"].value == 1.5
    assert measurement.conditions == {"part": "drawn", "runs on": "cpu"}
    assert checked.whys == ["it is not installed", "it answers something else"]
    assert checked.failures == 1
    assert checked.lines[0].startswith("answer: 1 results, 1 failures, 1 left out, ")
    assert checked.lines[1] == "  failed: the machine, wrong: it answers something else"


def test_a_part_that_fails_or_crashes_does_not_end_the_others(tmp_path: Path) -> None:
    checked = Checked(tmp_path, FAIL, CRASH, ANSWER)
    assert len(checked.run.measurements) == 3
    assert checked.failures == 3
    error, crash, *_ = checked.whys
    assert error.startswith("RuntimeError: the device is lost (tests/gpu_parts.py:")
    assert crash == "exit code -9: a driver says this"


def test_a_part_that_hangs_is_ended_after_its_time(tmp_path: Path) -> None:
    checked = Checked(tmp_path, replace(HANG, seconds=2))
    assert checked.whys == ["it was ended after 2 s, its time"]


def test_parts_are_left_out_once_the_time_is_over(tmp_path: Path) -> None:
    checked = Checked(tmp_path, ANSWER, seconds=1)
    assert checked.whys == [NO_TIME]
    assert checked.failures == 0


def test_every_part_has_a_function() -> None:
    for part in PARTS:
        assert callable(part.load())


def test_without_a_gpu_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "results.jsonl"
    done = CliRunner().invoke(main, ["gpu", "--out", str(out)])
    assert done.exit_code == 0
    (line,) = done.output.splitlines()
    assert line == "nothing to check: there is no nvidia-smi; --provider cpu is a dry run"
    assert not out.exists()


def test_a_driver_that_lists_a_device_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia_smi(tmp_path, "echo 'NVIDIA H200, 580.1, 143771 MiB'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert missing_device(CheckPlan("cuda")) == ""
    fake_nvidia_smi(tmp_path, "echo 'no devices were found'; exit 6")
    assert missing_device(CheckPlan("cuda")) == "no devices were found"


def test_writes_the_tables_and_fails_if_a_part_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.gpu.parts.PARTS", (ANSWER,))
    out, page = tmp_path / "results.jsonl", tmp_path / "tables.md"
    arguments = ["gpu", "--provider", "cpu", "--out", str(out), "--markdown", str(page)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == SOME_FAILED
    table = "| the machine | cpu | cpu | 1.5 |"
    assert table in page.read_text()
    assert table in done.output
    assert "- the machine, wrong: it answers something else" in done.output


@pytest.mark.parametrize("provider", ["auto", "tpu"])
def test_a_check_is_of_one_known_provider(provider: str) -> None:
    with pytest.raises(SettingsError, match="provider is"):
        CheckPlan(provider)
    done = CliRunner().invoke(main, ["gpu", "--provider", provider])
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


def test_rejects_an_unknown_part() -> None:
    done = CliRunner().invoke(main, ["gpu", "--part", "absent"])
    assert done.exit_code == 2
    assert "no part absent; choose from installation, " in done.output


def test_a_check_that_is_interrupted_ends_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr("benchmarks.gpu.check.subprocess.Popen", Popen)
    results = part_results(HANG, PLAN, 60)
    next(results)
    results.close()
    (process,) = started
    assert process.returncode == -signal.SIGKILL
