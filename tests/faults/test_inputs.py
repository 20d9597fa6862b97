"""A folder of damaged and unusual files: each bad file is reported, the others are processed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.bad_files import BAD_FILES, PARTLY_READABLE, UNUSUAL_FILES
from repo_paths import ROOT
from tiny_models import MODELS

MEMORY = 6 << 30
"""Address space of the run in bytes; libraries reserve far more than they use."""


@dataclass(frozen=True)
class FinishedRun:
    """The exit code, messages and outputs of a run over the folder."""

    folder: Path
    out: Path
    code: int
    stderr: str
    peak: int
    errors: dict[str, dict[str, Any]]
    records: dict[str, list[dict[str, Any]]]


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("from anywhere")
    for name, make in UNUSUAL_FILES.items():
        make(folder / name)
    for name, (bad, _) in BAD_FILES.items():
        bad(folder / name)
    out = tmp_path_factory.mktemp("out")
    usage = out / "usage.json"
    command = [sys.executable, "-m", "benchmarks.harness.resource_usage", str(usage)]
    command += [sys.executable, "-m", "fkd_infer.cli.main", str(folder)]
    command += [
        "--out",
        str(out / "pictures"),
        "--json",
        str(out / "faces.jsonl"),
        "--detector",
        "none",
        "--draw",
        "box",
    ]
    command += ["--model", str(MODELS / "fixed.onnx")]
    done = subprocess.run(
        command, capture_output=True, timeout=120, preexec_fn=_limited, check=False, cwd=ROOT
    )
    _, _, peak_kib = json.loads(usage.read_text())
    listed = out / "pictures" / "errors.jsonl"
    errors = {Path(line["source"]).name: line for line in lines(listed)} if listed.exists() else {}
    records: dict[str, list[dict[str, Any]]] = {}
    for line in lines(out / "faces.jsonl"):
        records.setdefault(Path(line["source"]).name, []).append(line)
    stderr = done.stderr.decode("utf-8", "replace")
    return FinishedRun(
        folder, out / "pictures", done.returncode, stderr, peak_kib * 1024, errors, records
    )


def test_the_run_ends_with_failed_sources(run: FinishedRun) -> None:
    assert run.code == 3, run.stderr
    assert "Traceback" not in run.stderr


def test_there_are_at_least_60_bad_files() -> None:
    assert len(BAD_FILES) >= 60


@pytest.mark.parametrize("name", [name for name, (_, why) in BAD_FILES.items() if why])
def test_reports_a_bad_file_with_its_reason(run: FinishedRun, name: str) -> None:
    error = run.errors[name]
    assert BAD_FILES[name][1] in error["message"]
    assert error["trace"] is None, "the error is an expected one"
    assert name in run.stderr
    if not name.startswith(("cut", "damaged")):  # frames before the damage are recorded
        assert name not in run.records
    if name in PARTLY_READABLE:
        assert (run.out / PARTLY_READABLE[name]).stat().st_size > 0
    else:
        assert not (run.out / name).exists()


@pytest.mark.parametrize("name", list(UNUSUAL_FILES))
def test_processes_an_unusual_file(run: FinishedRun, name: str) -> None:
    frames = run.records[name]
    assert all(len(frame["faces"]) == 1 for frame in frames)
    moves = name.startswith("moving") or ".mp4" in name.lower() or name.endswith(".avi")
    assert (len(frames) > 1) == moves
    assert [p for p in run.out.iterdir() if p.stem == Path(name).stem and p.stat().st_size > 0]


def test_reports_and_writes_nothing_else(run: FinishedRun) -> None:
    assert run.errors.keys() == {name for name, (_, why) in BAD_FILES.items() if why}
    assert UNUSUAL_FILES.keys() <= run.records.keys()
    written = {path.name for path in run.out.glob("[!.]*")}
    expected = len(UNUSUAL_FILES) + len(PARTLY_READABLE) + 1
    assert len(written) == expected, "and the list of errors"
    assert {path.suffix for path in run.out.glob(".*")} <= {".journal"}


def test_memory_stays_below_1_gib(run: FinishedRun) -> None:
    assert run.peak < 1 << 30


def test_escapes_control_characters_of_file_names(run: FinishedRun) -> None:
    assert "\x1b" not in run.stderr
    assert "\a" not in run.stderr


def test_resume_processes_only_the_bad_files_again(run: FinishedRun) -> None:
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(run.folder), "--out", str(run.out)]
    command += ["--json", str(run.out.parent / "faces.jsonl"), "--detector", "none"]
    command += ["--draw", "box", "--model", str(MODELS / "fixed.onnx"), "--resume"]
    before = {path.name: path.stat().st_mtime_ns for path in run.out.glob("[!.]*")}
    records = (run.out.parent / "faces.jsonl").read_bytes()
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 3
    assert f"{len(UNUSUAL_FILES)} sources were complete from an earlier run" in done.stderr.decode()
    after = {path.name: path.stat().st_mtime_ns for path in run.out.glob("[!.]*")}
    again = {"errors.jsonl", *PARTLY_READABLE.values()}
    assert {name for name in after if after[name] != before[name]} == again
    assert (run.out.parent / "faces.jsonl").read_bytes() == records
