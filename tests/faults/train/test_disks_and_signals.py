"""Full disks, unreadable logs, and signals outside of training steps."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_logs import read_log, saved_epoch
from training_process import Fault, Run, run_training

from fkd_infer.errors import OutputError
from fkd_train.checkpoints import load_checkpoint
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.errors import RunError
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.training import landmark_task
from fkd_train.training.log import RunLog
from fkd_train.training.run import train

pytestmark = pytest.mark.usefixtures("one_thread", "no_plots")


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of POSIX")
def test_reports_a_full_disk_in_one_line_and_resumes(
    complete_run: tuple[Path, Path], short: LandmarkRecipe, tmp_path: Path
) -> None:
    """The disk is full for each file in turn; the run is resumed each time."""
    complete, data = complete_run
    out = tmp_path / "full"
    files = [".lock", "data.csv", "recipe.json", "log.csv", "events", "best.pt", "last.pt"]
    files += ["curves.png", "worst.png"]
    shown = {"curves.png": "plots/curves.png", "worst.png": "plots/worst.png"}
    for name in files:
        resume = ("--resume",) if (out / ".lock").exists() else ()
        options = (*resume, "--workers", "0", "--tensorboard")
        code, lines = run_training(Run(short, data, out, options, Fault(name, "disk full")))
        assert code == 1, (name, lines)
        assert len(lines) == 1, lines
        (line,) = lines
        assert line.startswith(f"fkd-train: {out}/"), line
        assert shown.get(name, name) in line
        assert line.endswith(": cannot be written: File too large")
        assert not list(out.rglob("*.part"))
    code, lines = run_training(
        Run(short, data, out, ("--resume", "--workers", "0", "--tensorboard"))
    )
    assert code == 0, lines
    for name in ("last.pt", "best.pt"):
        one, other = (load_checkpoint(folder / name)["weights"] for folder in (out, complete))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert [row["nme"] for row in read_log(out)] == [row["nme"] for row in read_log(complete)]
    assert len(list((out / "tensorboard").iterdir())) == 2


def test_reports_an_unreadable_or_unwritable_log_in_one_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    assert log.rows() == []
    log.append({"epoch": 1, "nme": 2.5})
    (tmp_path / "log.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match=r"log\.csv: cannot be read"):
        log.append({"epoch": 2, "nme": 2.5})
    (tmp_path / "log.csv").write_text("epoch,nme\n1,two\n")
    with pytest.raises(RunError, match=r"log\.csv: not the log of a training run"):
        log.rows()
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises((OutputError, RunError), match=r"log\.csv: cannot be (read|written)"):
        log.append({"epoch": 1, "nme": 2.5})


@pytest.mark.parametrize(
    ("where", "number"), [("evaluation", signal.SIGTERM), ("log", signal.SIGINT)]
)
def test_a_signal_during_evaluation_or_logging_ends_the_run_there(
    complete_run: tuple[Path, Path],
    short: LandmarkRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    where: str,
) -> None:
    complete, data = complete_run
    out = tmp_path / "stopped"
    send_signal_during(monkeypatch, where, number)
    assert train(short, data, out, workers=0).summary is None
    monkeypatch.undo()
    assert load_checkpoint(out / "last.pt")["progress"]["epoch"] == 1
    assert load_checkpoint(out / "last.pt")["progress"]["step"] == 0
    assert train(short, data, out, workers=0, resume=True).summary is not None
    assert [row["nme"] for row in read_log(out)] == [row["nme"] for row in read_log(complete)]


def test_a_signal_after_the_last_step_does_not_stop_the_run(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_signal_during(monkeypatch, "log", signal.SIGTERM)
    done = train(replace(short, epochs=1), drawn_data, tmp_path / "run", workers=0)
    assert done.summary is not None
    assert saved_epoch(tmp_path / "run" / "last.pt") == 1


def send_signal_during(monkeypatch: pytest.MonkeyPatch, where: str, number: int) -> None:
    """Sends a signal during each evaluation, or with each line of the log."""
    original_append = RunLog.append

    def evaluate_with_signal(*arguments: object, **options: object) -> Evaluation:
        os.kill(os.getpid(), number)
        return evaluate(*arguments, **options)  # type: ignore[arg-type]

    def append(log: RunLog, row: dict[str, float]) -> None:
        original_append(log, row)
        os.kill(os.getpid(), number)

    if where == "evaluation":
        monkeypatch.setattr(landmark_task, "evaluate", evaluate_with_signal)
    else:
        monkeypatch.setattr(RunLog, "append", append)


def test_saves_within_long_epochs(
    complete_run: tuple[Path, Path], short: LandmarkRecipe, tmp_path: Path
) -> None:
    """A killed run continues within the epoch, with the same weights bit by bit."""
    complete, data = complete_run
    out = tmp_path / "run"
    options = ("--workers", "0", "--save-every", "0")
    code, lines = run_training(Run(short, data, out, options, Fault("log.csv", "killed")))
    assert code == -signal.SIGKILL, lines
    progress = load_checkpoint(out / "last.pt")["progress"]
    assert (progress["epoch"], progress["step"]) == (0, 3)
    train(short, data, out, workers=0, resume=True)
    one, other = (load_checkpoint(folder / "last.pt") for folder in (out, complete))
    assert all(torch.equal(one["network"][key], other["network"][key]) for key in one["network"])
