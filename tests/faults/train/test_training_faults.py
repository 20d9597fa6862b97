"""What can go wrong while a network is trained: one line says it, and what was saved stays good."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from click.testing import CliRunner
from torch.utils.data import Dataset
from training_process import Child, Fault, Run, trained

from fkd_infer.errors import OutputError
from fkd_train.checkpoints import load_checkpoint, save_checkpoint
from fkd_train.cli.train import main
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.config.sections import OptimizerConfig
from fkd_train.data.dataset import read_faces
from fkd_train.data.fingerprint import differences, fingerprint_faces, load_fingerprints
from fkd_train.data.loader import Batch, EpochBatchSampler, SampleKey, end_workers, training_loader
from fkd_train.errors import BatchError, DivergedError, PeerError, RunError, TrainingMemoryError
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.reports import plots
from fkd_train.training import landmark_task
from fkd_train.training.distributed import run_on_main_process
from fkd_train.training.faults import fetch_batches, translate_faults
from fkd_train.training.log import RunLog
from fkd_train.training.run import train
from fkd_train.training.run_lock import run_lock

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="module")
def _no_pictures() -> Iterator[None]:
    """Which take longer than runs here; those of other processes draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "plot_run", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def short(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """Two epochs of four steps, whose best is chosen; each epoch saved on its own."""
    return replace(tiny, split="identity")


@pytest.fixture(scope="module")
def trained_once(
    short: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A folder with a run of `short` to its end, and its data."""
    folder = tmp_path_factory.mktemp("once")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(short, drawn_data, folder / "run", workers=0)
    torch.set_num_threads(threads)
    return folder / "run", drawn_data


@pytest.fixture
def run(trained_once: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of both, to be changed."""
    for source, name in zip(trained_once, ("run", "data"), strict=True):
        shutil.copytree(source, tmp_path / name)
    return tmp_path / "run", tmp_path / "data"


def with_rate(recipe: LandmarkRecipe, lr: float, **others: object) -> LandmarkRecipe:
    optimizer = OptimizerConfig("adamw", lr, schedule="constant", ema=recipe.optimizer.ema)
    return replace(recipe, optimizer=optimizer, **others)  # type: ignore[arg-type]


def log(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))


def epochs_of(path: Path) -> int:
    epoch: int = load_checkpoint(path)["progress"]["epoch"]
    return epoch


# What is not finite


def test_a_loss_that_is_not_finite_ends_a_run_that_saved_nothing(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    line = r"diverged in epoch 1, step [23]: the loss is (nan|inf); nothing was saved yet; resume "
    with pytest.raises(DivergedError, match=line):
        train(with_rate(short, 1e30), drawn_data, tmp_path / "run", workers=0)
    assert not list((tmp_path / "run").glob("*.pt"))
    assert not (tmp_path / "run" / "log.csv").exists()


def test_the_way_out_of_a_divergence_leads_out(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    before = [(out / name).read_bytes() for name in ("last.pt", "best.pt")]
    longer = replace(short, epochs=4)
    said: list[str] = []
    line = (
        r"in epoch 3, step \d: the loss is (nan|inf); "
        r"last\.pt was saved at the end of epoch 2; resume "
    )
    with pytest.raises(DivergedError, match=line):
        train(with_rate(longer, 1e30), data, out, workers=0, resume=True, force=True)
    assert [(out / name).read_bytes() for name in ("last.pt", "best.pt")] == before
    calm = with_rate(longer, 1e-4)
    train(calm, data, out, workers=0, resume=True, force=True, notify=said.append)
    assert "continues by --force, with changes: optimizer.lr 1e+30 -> 0.0001" in said[0]
    assert [row["epoch"] for row in log(out)] == ["1", "2", "3", "4"]
    assert {row["lr"] for row in log(out)[2:]} == {"0.0001"}
    assert all(np.isfinite(float(value)) for row in log(out) for value in row.values())
    changes = [json.loads(line) for line in (out / "changes.jsonl").read_text().splitlines()]
    assert [change["epochs"] for change in changes] == [2, 2]
    assert "epochs 2 -> 4" in changes[0]["changes"]
    train(calm, data, out, workers=0, resume=True)


@pytest.mark.parametrize("save_every", [0.0, 600.0])
def test_weights_that_are_not_finite_are_not_saved(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, save_every: float
) -> None:
    """A finite loss, and the step after it, the last of its epoch, goes beyond all numbers."""
    recipe = with_rate(short, 1e300, batch=100 if save_every else 8)
    with pytest.raises(DivergedError, match="in epoch 1, step 1: a weight is not finite; nothing"):
        train(recipe, drawn_data, tmp_path / "run", workers=0, save_every=save_every)
    assert not list((tmp_path / "run").glob("*.pt"))


def test_an_evaluation_that_is_not_finite_is_never_the_best(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def second_fails(*arguments: object) -> Evaluation:
        found = evaluate(*arguments)  # type: ignore[arg-type]
        measured.append(found)
        if len(measured) != 2:
            return found
        return Evaluation.of(found.points * np.float32("nan"), found.faces)

    monkeypatch.setattr(landmark_task, "evaluate", second_fails)
    for split in ("identity", "official"):
        measured.clear()
        out = tmp_path / split
        train(replace(short, split=split), drawn_data, out, workers=0)
        assert [row["nme"] == "nan" for row in log(out)] == [False, True]
        assert epochs_of(out / "best.pt") == 1
        assert epochs_of(out / "last.pt") == 2


# Another recipe, other data


def test_what_differs_in_the_recipe_is_named(run: tuple[Path, Path], short: LandmarkRecipe) -> None:
    out, data = run
    other = replace(with_rate(short, 0.5), batch=5)
    line = r"other data: batch 4 -> 5; optimizer\.lr 0\.001 -> 0\.5; optimizer\.schedule one_cycle "
    with pytest.raises(RunError, match=line):
        train(other, data, out, workers=0, resume=True)
    (out / "recipe.json").write_text("[]")
    with pytest.raises(RunError, match=r"other data: recipe\.json, which holds no recipe; resume"):
        train(short, data, out, workers=0, resume=True)


def test_force_goes_on_with_another_batch_and_average(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    """With as many epochs as asked for, the schedule of the new recipe, and its average."""
    out, data = run
    rates, best = [], (out / "best.pt").read_bytes()
    for epochs, ema in ((3, 0.0), (5, 0.5)):
        optimizer = replace(short.optimizer, ema=ema)
        other = replace(short, epochs=epochs, batch=5, optimizer=optimizer)
        train(other, data, out, workers=0, resume=True, force=True)
        assert (load_checkpoint(out / "last.pt")["averaged"] is not None) == bool(ema)
        rates.append(float(log(out)[-1]["lr"]))
    assert max(rates) < 0.05 * short.optimizer.lr, "one_cycle ended with the new number of epochs"
    assert [row["epoch"] for row in log(out)] == ["1", "2", "3", "4", "5"]
    nme = [float(row["nme"]) for row in log(out)]
    best_epoch = epochs_of(out / "best.pt")
    assert nme[best_epoch - 1] == pytest.approx(min(nme))
    assert (best_epoch > 2) == ((out / "best.pt").read_bytes() != best)


def test_force_into_another_network_is_one_line(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    other = replace(short, model=replace(short.model, size=96))
    before = (out / "recipe.json").read_text()
    with pytest.raises(RunError, match=r"last\.pt: holds another network than the recipe's"):
        train(other, data, out, workers=0, resume=True, force=True)
    assert (out / "recipe.json").read_text() == before
    shutil.copy(out / "best.pt", out / "last.pt")
    with pytest.raises(RunError, match="or nothing to resume from"):
        train(short, data, out, workers=0, resume=True)


def test_other_data_are_refused_and_named(run: tuple[Path, Path], short: LandmarkRecipe) -> None:
    out, data = run
    table = data / "training_frames_keypoints.csv"
    header, first, *rest = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, *rest]))
    gone = (
        r"recipe or other data: 1 row for (training|evaluation) \(training/Person_0_00\.jpg\) gone"
    )
    with pytest.raises(RunError, match=gone):
        train(short, data, out, workers=0, resume=True)
    said: list[str] = []
    longer, best = replace(short, epochs=3), epochs_of(out / "best.pt")
    train(longer, data, out, workers=0, resume=True, force=True, notify=said.append)
    assert "gone" in said[0]
    assert epochs_of(out / "best.pt") == 3 > best, "figures of other data do not compare"
    table.write_text("".join([header, first, *rest]))
    with pytest.raises(
        RunError, match=r"\(training/Person_0_00\.jpg\) new; resume with the original"
    ):
        train(longer, data, out, workers=0, resume=True)


def test_every_change_of_data_is_found(drawn_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_data, data)
    table = data / "training_frames_keypoints.csv"
    header, first, second, *rest = table.read_text().splitlines(keepends=True)

    def now(others: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}) -> list[str]:  # noqa: B006
        found = fingerprint_faces(
            "training", data, "training", read_faces(data, "training"), others
        )
        return differences(before, found)

    before = fingerprint_faces("training", data, "training", read_faces(data, "training"))
    assert now() == []
    table.write_text("".join([header, second, first, *rest]))
    assert now() == ["rows of the data in another order"]
    table.write_text("".join([header, first, first, second, *rest]))
    assert now() == ["1 row for training (training/Person_0_00.jpg) new"]
    name, number, tail = first.split(",", 2)
    table.write_text("".join([header, f"{name},{float(number) + 0.5},{tail}", second, *rest]))
    assert now() == ["1 row for training (training/Person_0_00.jpg) with other annotations"]
    table.write_text("".join([header, first, second, *rest]))
    assert now({name: np.zeros((1, 4), np.float32)}) == [
        "1 row for training (training/Person_0_00.jpg) with other annotations"
    ]
    for image in ("Person_0_00.jpg", "Person_1_01.jpg"):
        pixels = cv2.imread(str(data / "training" / image))
        assert pixels is not None
        pixels[0, 0] ^= 1
        _, content = cv2.imencode(".png", pixels)
        (data / "training" / image).write_bytes(content.tobytes())
    assert now() == [
        "2 rows (the first: training/Person_0_00.jpg, for training) with another image"
    ]


def test_a_run_of_an_older_version_goes_on_and_is_told_so(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    known = (out / "data.csv").read_text()
    (out / "data.csv").unlink()
    for name in ("last.pt", "best.pt"):
        content = load_checkpoint(out / name)
        del content["data"]
        save_checkpoint(out / name, content)
    said: list[str] = []
    train(short, data, out, workers=0, resume=True, notify=said.append)
    assert "did not record its data" in said[0]
    assert (out / "data.csv").read_text() == known
    train(short, data, out, workers=0, resume=True, notify=said.append)
    assert len(said) == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"use,file\n1,2\n", b"a,b,c,d\n"])
def test_a_damaged_record_of_the_data_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(
        RunError,
        match=r"data\.csv: cannot be read, so changes of the data cannot be detected; delete it",
    ):
        load_fingerprints(path)


def test_force_goes_with_resume_alone(short: LandmarkRecipe, tmp_path: Path) -> None:
    places = ["--recipe", "fkdnet", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*places, "--force"])
    assert done.exit_code == 2
    assert "--force needs --resume" in done.output


def test_checkpoints_without_their_recipe_are_left_alone(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    (out / "recipe.json").unlink()
    for resume in (False, True):
        with pytest.raises(
            RunError, match=r"run: holds last\.pt but no recipe\.json; restore that file"
        ):
            train(short, data, out, workers=0, resume=resume)


# Two runs, and processes that are left


def test_two_runs_do_not_get_into_one_folder(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """Not even before the first one wrote anything, and a kill opens the folder at once."""
    out = tmp_path / "run"
    first = Child(Run(short, drawn_data, out, fault=Fault("data.csv", "stopped")))
    first.until(out / ".lock")
    for resume in (False, True):
        line = rf"run: process {first.pid} on .* trains into it; wait for it, or choose another"
        with pytest.raises(RunError, match=line):
            train(short, drawn_data, out, workers=0, resume=resume)
    assert {path.name for path in out.iterdir()} <= {".lock", ".data.csv.part"}
    assert first.ended(0)[0] == -signal.SIGKILL
    train(replace(short, epochs=1), drawn_data, out, workers=0, resume=True)
    assert {path.name for path in out.glob(".*")} == {".lock"}


@only_linux
def test_a_killed_run_leaves_no_process_and_no_lock(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    child = Child(Run(replace(short, epochs=4000), drawn_data, out, ("--workers", "2")))
    child.until(out / "last.pt")
    workers = children(child.pid)
    assert len(workers) == 2
    assert child.ended(0)[0] == -signal.SIGKILL
    with run_lock(out):
        pass
    gone(workers, 30)
    assert epochs_of(out / "last.pt") >= 1


@only_linux
def test_a_killed_worker_ends_the_run_in_one_line(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """As the system does where memory runs out."""
    out = tmp_path / "run"
    child = Child(Run(replace(short, epochs=4000), drawn_data, out, ("--workers", "2")))
    child.until(out / "last.pt")
    workers = children(child.pid)
    os.kill(workers[0], signal.SIGKILL)
    code, said = child.ended()
    assert code == 1
    (line,) = said
    assert line.startswith(f"fkd-train: {out}: the next batch could not be loaded: ")
    assert re.search(rf"\(pid\S* {workers[0]}\) .*; if memory ran|process was lost \(", line)
    gone(workers, 10)
    assert epochs_of(out / "last.pt") >= 1


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def gone(pids: list[int], patience: float) -> None:
    until = time.monotonic() + patience
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """A process that nobody has waited for yet is gone all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Failing(Dataset[Batch]):
    """Images of which the sixth cannot be made."""

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
def test_a_batch_that_cannot_be_made_is_one_line(
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


def test_too_little_memory_for_a_step_is_one_line() -> None:
    with (
        pytest.raises(TrainingMemoryError, match="run: this machine has not enough free memory fo"),
        translate_faults(Path("run"), "cpu", 64),
    ):
        torch.empty(1 << 55)
    gone = "[gloo/transport/tcp/pair.cc:1] Connection closed by peer [127.0.0.1]:1"
    with pytest.raises(PeerError), translate_faults(Path("run"), "cpu", 64):
        raise RuntimeError(gone)
    with pytest.raises(RuntimeError, match="shape"), translate_faults(Path("run"), "cpu", 64):
        torch.empty(2, 3).view(4)


# Disks and signals


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit of POSIX")
def test_a_full_disk_is_one_line_and_whatever_was_there_is_gone_on_with(
    trained_once: tuple[Path, Path], short: LandmarkRecipe, tmp_path: Path
) -> None:
    """The disk is full for each file in turn, in a run that is resumed each time."""
    whole, data = trained_once
    out = tmp_path / "full"
    files = [".lock", "data.csv", "recipe.json", "log.csv", "events", "best.pt", "last.pt"]
    files += ["curves.png", "worst.png"]
    shown = {"curves.png": "plots/curves.png", "worst.png": "plots/worst.png"}
    for name in files:
        resume = ("--resume",) if (out / ".lock").exists() else ()
        options = (*resume, "--workers", "0", "--tensorboard")
        code, said = trained(Run(short, data, out, options, Fault(name, "disk full")))
        assert code == 1, (name, said)
        assert len(said) == 1, said
        (line,) = said
        assert line.startswith(f"fkd-train: {out}/"), line
        assert shown.get(name, name) in line
        assert line.endswith(": cannot be written: File too large")
        assert not list(out.rglob("*.part"))
    code, said = trained(Run(short, data, out, ("--resume", "--workers", "0", "--tensorboard")))
    assert code == 0, said
    for name in ("last.pt", "best.pt"):
        one, other = (load_checkpoint(folder / name)["weights"] for folder in (out, whole))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert [row["nme"] for row in log(out)] == [row["nme"] for row in log(whole)]
    assert len(list((out / "tensorboard").iterdir())) == 2


def test_a_log_that_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
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
def test_a_signal_outside_of_steps_ends_a_run_there(
    trained_once: tuple[Path, Path],
    short: LandmarkRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    where: str,
) -> None:
    whole, data = trained_once
    out = tmp_path / "stopped"
    signalling(monkeypatch, where, number)
    assert train(short, data, out, workers=0).summary is None
    monkeypatch.undo()
    assert load_checkpoint(out / "last.pt")["progress"]["epoch"] == 1
    assert load_checkpoint(out / "last.pt")["progress"]["step"] == 0
    assert train(short, data, out, workers=0, resume=True).summary is not None
    assert [row["nme"] for row in log(out)] == [row["nme"] for row in log(whole)]


def test_a_signal_after_the_last_step_finds_a_run_that_is_done(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signalling(monkeypatch, "log", signal.SIGTERM)
    done = train(replace(short, epochs=1), drawn_data, tmp_path / "run", workers=0)
    assert done.summary is not None
    assert epochs_of(tmp_path / "run" / "last.pt") == 1


def signalling(monkeypatch: pytest.MonkeyPatch, where: str, number: int) -> None:
    """Lets a signal come in each evaluation, or with each line of the log."""
    own = RunLog.append

    def measured(*arguments: object) -> Evaluation:
        os.kill(os.getpid(), number)
        return evaluate(*arguments)  # type: ignore[arg-type]

    def append(log: RunLog, row: dict[str, float]) -> None:
        own(log, row)
        os.kill(os.getpid(), number)

    if where == "evaluation":
        monkeypatch.setattr(landmark_task, "evaluate", measured)
    else:
        monkeypatch.setattr(RunLog, "append", append)


def test_long_epochs_are_saved_on_the_way(
    trained_once: tuple[Path, Path], short: LandmarkRecipe, tmp_path: Path
) -> None:
    """And a run that was killed goes on in the middle of one, to the same bit."""
    whole, data = trained_once
    out = tmp_path / "run"
    options = ("--workers", "0", "--save-every", "0")
    code, said = trained(Run(short, data, out, options, Fault("log.csv", "killed")))
    assert code == -signal.SIGKILL, said
    progress = load_checkpoint(out / "last.pt")["progress"]
    assert (progress["epoch"], progress["step"]) == (0, 3)
    train(short, data, out, workers=0, resume=True)
    one, other = (load_checkpoint(folder / "last.pt") for folder in (out, whole))
    assert all(torch.equal(one["network"][key], other["network"][key]) for key in one["network"])


def test_the_other_processes_stop_with_the_main_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OutputError(tmp_path / "last.pt", "No space left on device")

    accelerator = Accelerator(cpu=True)
    with pytest.raises(OutputError, match=r"last\.pt"):
        run_on_main_process(accelerator, tmp_path, fails)

    class Other:
        num_processes, is_main_process, device = 2, False, torch.device("cpu")

        def reduce(self, own: torch.Tensor, reduction: str) -> torch.Tensor:
            assert reduction == "sum"
            return own + 1

    with pytest.raises(
        PeerError, match="stopped because another process of this run failed; see its error"
    ):
        run_on_main_process(Other(), tmp_path, fails)
