"""Two runs at once, killed runs and workers, failed batches, and too little memory."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset
from training_logs import saved_epoch
from training_process import Fault, Run, TrainingProcess

from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.loader import Batch, EpochBatchSampler, SampleKey, end_workers, training_loader
from fkd_train.errors import BatchError, RunError, TrainingMemoryError
from fkd_train.training.faults import fetch_batches, translate_faults
from fkd_train.training.run import train
from fkd_train.training.run_lock import run_lock

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


pytestmark = pytest.mark.usefixtures("one_thread", "no_plots")


def test_refuses_a_folder_that_another_run_trains_into(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """Even before the first run has written anything; killing it releases the folder."""
    out = tmp_path / "run"
    first = TrainingProcess(Run(short, drawn_data, out, fault=Fault("data.csv", "stopped")))
    first.wait_for_file(out / ".lock")
    for resume in (False, True):
        line = rf"run: process {first.pid} on .* trains into it; wait for it, or choose another"
        with pytest.raises(RunError, match=line):
            train(short, drawn_data, out, workers=0, resume=resume)
    unfinished = {".data.csv.part", ".options.json.part", "options.json"}
    assert {path.name for path in out.iterdir()} <= {".lock", *unfinished}
    assert first.wait(0)[0] == -signal.SIGKILL
    train(replace(short, epochs=1), drawn_data, out, workers=0, resume=True)
    assert {path.name for path in out.glob(".*")} == {".lock"}


@only_linux
def test_a_killed_run_leaves_neither_processes_nor_its_lock(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    child = TrainingProcess(Run(replace(short, epochs=4000), drawn_data, out, ("--workers", "2")))
    child.wait_for_file(out / "last.pt")
    workers = children(child.pid)
    assert len(workers) == 2
    assert child.wait(0)[0] == -signal.SIGKILL
    with run_lock(out):
        pass
    wait_until_ended(workers, 30)
    assert saved_epoch(out / "last.pt") >= 1


@only_linux
def test_a_killed_worker_ends_the_run_in_one_line(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """As the system does when memory runs out."""
    out = tmp_path / "run"
    child = TrainingProcess(Run(replace(short, epochs=4000), drawn_data, out, ("--workers", "2")))
    child.wait_for_file(out / "last.pt")
    workers = children(child.pid)
    os.kill(workers[0], signal.SIGKILL)
    code, lines = child.wait()
    assert code == 1
    (line,) = lines
    assert line.startswith(f"fkd-train: {out}: the next batch could not be loaded: ")
    assert re.search(rf"\(pid\S* {workers[0]}\) .*; if memory ran|process was lost \(", line)
    wait_until_ended(workers, 10)
    assert saved_epoch(out / "last.pt") >= 1


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def wait_until_ended(pids: list[int], timeout: float) -> None:
    until = time.monotonic() + timeout
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Failing(Dataset[Batch]):
    """Samples of which the sixth cannot be loaded."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __getitem__(self, key: SampleKey) -> Batch:
        if key[1] == 5:
            if self.how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("no such\npicture")
        return (torch.zeros(1),)


@pytest.mark.parametrize(
    ("how", "workers", "line"),
    [
        ("raises", 0, "ValueError: no such picture; if memory ran out"),
        ("raises", 1, "picture; if memory ran out"),
        ("dies", 1, r"(the DataLoader worker|a loader's process was lost) \(.*; if memory ran"),
    ],
)
def test_reports_a_batch_that_cannot_be_loaded_in_one_line(
    request: pytest.FixtureRequest, how: str, workers: int, line: str
) -> None:
    loader = training_loader(Failing(how), EpochBatchSampler(8, 2, 0), workers)
    request.addfinalizer(lambda: end_workers(loader))
    with (
        pytest.raises(
            BatchError, match=f"run: the next batch could not be loaded: {line}"
        ) as caught,
        translate_faults(Path("run"), "cpu", 2),
    ):
        list(fetch_batches(loader, Path("run")))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_reports_too_little_memory_in_one_line() -> None:
    with (
        pytest.raises(TrainingMemoryError, match="run: this machine has not enough free memory fo"),
        translate_faults(Path("run"), "cpu", 64),
    ):
        torch.empty(1 << 55)
    with pytest.raises(RuntimeError, match="shape"), translate_faults(Path("run"), "cpu", 64):
        torch.empty(2, 3).view(4)
