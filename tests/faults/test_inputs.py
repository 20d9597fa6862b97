"""A folder from anywhere: every bad file is told and costs no other one anything."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.bad_files import BAD, UNUSUAL
from tiny_models import MODELS

MEMORY = 6 << 30
"""Of address space for the run; libraries reserve far more than they use."""


@dataclass(frozen=True)
class Ran:
    """A run over the folder, and what it left."""

    folder: Path
    out: Path
    code: int
    said: str
    peak: int
    errors: dict[str, dict[str, Any]]
    records: dict[str, list[dict[str, Any]]]


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("from anywhere")
    for name, make in UNUSUAL.items():
        make(folder / name)
    for name, (bad, _) in BAD.items():
        bad(folder / name)
    out = tmp_path_factory.mktemp("out")
    command = [
        sys.executable,
        "-m",
        "fkd_infer.cli.main",
        str(folder),
        "--out",
        str(out / "pictures"),
    ]
    command += ["--json", str(out / "faces.jsonl"), "--detector", "none", "--draw", "box"]
    command += ["--model", str(MODELS / "fixed.onnx")]
    done = subprocess.run(
        command, capture_output=True, timeout=120, preexec_fn=_limited, check=False
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    listed = out / "pictures" / "errors.jsonl"
    errors = {Path(line["source"]).name: line for line in lines(listed)} if listed.exists() else {}
    records: dict[str, list[dict[str, Any]]] = {}
    for line in lines(out / "faces.jsonl"):
        records.setdefault(Path(line["source"]).name, []).append(line)
    said = done.stderr.decode("utf-8", "replace")
    return Ran(folder, out / "pictures", done.returncode, said, peak, errors, records)


def test_the_run_comes_to_its_end(ran: Ran) -> None:
    assert ran.code == 3, ran.said
    assert "Traceback" not in ran.said


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 60


@pytest.mark.parametrize("name", [name for name, (_, why) in BAD.items() if why])
def test_a_bad_file_is_told_with_its_reason(ran: Ran, name: str) -> None:
    error = ran.errors[name]
    assert BAD[name][1] in error["message"]
    assert error["trace"] is None, "it was foreseen"
    assert name in ran.said
    if not name.startswith(("cut", "damaged")):  # frames before the damage are told
        assert name not in ran.records
    assert not (ran.out / name).exists()


@pytest.mark.parametrize("name", list(UNUSUAL))
def test_an_unusual_file_is_done(ran: Ran, name: str) -> None:
    frames = ran.records[name]
    assert all(len(frame["faces"]) == 1 for frame in frames)
    moves = name.startswith("moving") or ".mp4" in name.lower() or name.endswith(".avi")
    assert (len(frames) > 1) == moves
    assert [p for p in ran.out.iterdir() if p.stem == Path(name).stem and p.stat().st_size > 0]


def test_nothing_else_is_told_or_made(ran: Ran) -> None:
    assert ran.errors.keys() == {name for name, (_, why) in BAD.items() if why}
    assert UNUSUAL.keys() <= ran.records.keys()
    made = {path.name for path in ran.out.glob("[!.]*")}
    assert len(made) == len(UNUSUAL) + 1, "and the list of errors"
    assert {path.suffix for path in ran.out.glob(".*")} <= {".journal"}


def test_memory_stays_small(ran: Ran) -> None:
    assert ran.peak < 1 << 30


def test_no_name_drives_the_terminal(ran: Ran) -> None:
    assert "\x1b" not in ran.said
    assert "\a" not in ran.said


def test_resuming_does_the_bad_ones_again_and_no_other(ran: Ran) -> None:
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(ran.folder), "--out", str(ran.out)]
    command += ["--json", str(ran.out.parent / "faces.jsonl"), "--detector", "none"]
    command += ["--draw", "box", "--model", str(MODELS / "fixed.onnx"), "--resume"]
    before = {path.name: path.stat().st_mtime_ns for path in ran.out.glob("[!.]*")}
    records = (ran.out.parent / "faces.jsonl").read_bytes()
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 3
    assert f"{len(UNUSUAL)} sources were complete from an earlier run" in done.stderr.decode()
    after = {path.name: path.stat().st_mtime_ns for path in ran.out.glob("[!.]*")}
    assert {name for name in after if after[name] != before[name]} == {"errors.jsonl"}
    assert (ran.out.parent / "faces.jsonl").read_bytes() == records
