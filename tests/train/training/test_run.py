"""Whole runs on drawn faces: stopped, killed, resumed and distributed, they end up the same."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from fkd_infer.errors import OutputError
from fkd_train.checkpoints import load_checkpoint, save_checkpoint
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.data.dataset import read_faces
from fkd_train.data.loader import Batch
from fkd_train.errors import RunError
from fkd_train.evaluation.accuracy import evaluate, open_model
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.training import trainer as loop
from fkd_train.training.optimizer import build_optimizer
from fkd_train.training.run import train

RUN = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from fkd_train.config.landmarks import landmark_recipe_from_dict
from fkd_train.training.run import train
recipe, data, out, resume = json.loads(sys.argv[1]), *sys.argv[2:]
recipe = landmark_recipe_from_dict(recipe)
train(recipe, Path(data), Path(out), resume=resume == "resume", workers=0)
"""


def command(recipe: LandmarkRecipe, data: Path, out: Path, how: str = "start") -> list[str]:
    return [
        sys.executable,
        "-c",
        RUN,
        json.dumps(landmark_recipe_to_dict(recipe)),
        str(data),
        str(out),
        how,
    ]


def run_to_end(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-6000:]


def interrupt(arguments: list[str], ready: Callable[[], bool], number: int) -> None:
    """Sends a signal as soon as the run has got so far."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "the run ended before it was interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)


def log(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))


def figures(out: Path) -> list[tuple[str, ...]]:
    """What is logged but for speed, which no two runs share."""
    return [(row["epoch"], row["train_loss"], row["nme"]) for row in log(out)]


def assert_same_weights(first: Path, second: Path) -> None:
    a, b = (load_checkpoint(out / "last.pt") for out in (first, second))
    assert a["progress"]["epoch"] == b["progress"]["epoch"]
    for part in ("network", "weights"):
        for name, tensor in a[part].items():
            assert torch.equal(tensor, b[part][name]), f"{part}.{name}"


@pytest.fixture(scope="module")
def undisturbed(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of four epochs on one thread, from start to end."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    run_to_end(command(replace(tiny, epochs=4), drawn_data, out))
    return out


def test_a_run_leaves_all_that_it_promises(undisturbed: Path) -> None:
    names = {
        str(path.relative_to(undisturbed)) for path in undisturbed.rglob("*") if path.is_file()
    }
    plots = {f"plots/{name}.png" for name in ("curves", "ced", "filters", "faces", "worst")}
    files = {".lock", "recipe.json", "data.csv", "log.csv", "best.pt", "last.pt"}
    assert names == files | plots
    assert [row["epoch"] for row in log(undisturbed)] == ["1", "2", "3", "4"]
    assert float(log(undisturbed)[-1]["train_loss"]) < float(log(undisturbed)[0]["train_loss"])


def test_kill_9_and_resume_end_in_the_same_weights(
    undisturbed: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    recipe, out = replace(tiny, epochs=4), tmp_path / "killed"
    second_epoch = lambda: (out / "log.csv").exists() and len(log(out)) >= 2  # noqa: E731
    interrupt(command(recipe, drawn_data, out), second_epoch, signal.SIGKILL)
    run_to_end(command(recipe, drawn_data, out, "resume"))
    assert_same_weights(out, undisturbed)
    assert figures(out) == figures(undisturbed)


def test_kill_9_before_the_first_checkpoint_starts_anew(
    undisturbed: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    recipe, out = replace(tiny, epochs=4), tmp_path / "killed"
    interrupt(command(recipe, drawn_data, out), (out / "recipe.json").exists, signal.SIGKILL)
    assert not (out / "last.pt").exists()
    run_to_end(command(recipe, drawn_data, out, "resume"))
    assert_same_weights(out, undisturbed)


def test_sigterm_saves_in_the_middle_of_an_epoch_and_resumes_there(
    undisturbed: Path,
    tiny: LandmarkRecipe,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, steps, own_step = tmp_path / "stopped", [], loop.Trainer._step

    def step(trainer: loop.Trainer, batch: Batch) -> float:
        steps.append(trainer.progress.step)
        if len(steps) == 8:  # the third of five steps in the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return own_step(trainer, batch)

    monkeypatch.setattr(loop.Trainer, "_step", step)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        stopped = train(replace(tiny, epochs=4), drawn_data, out, workers=0)
    finally:
        torch.set_num_threads(threads)
    assert stopped.summary is None
    assert load_checkpoint(out / "last.pt")["progress"]["step"] == 3
    run_to_end(command(replace(tiny, epochs=4), drawn_data, out, "resume"))
    assert_same_weights(out, undisturbed)
    assert figures(out) == figures(undisturbed)


@pytest.mark.slow
def test_two_processes_train_what_one_does(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """`accelerate launch` with two CPU processes: the same batches, halved between them."""
    recipe, program = tmp_path / "plain.toml", tmp_path / "without_dropout.py"
    recipe.write_text(
        'summary = "for tests"\nsplit = "official"\nepochs = 2\nbatch = 4\n'
        '[model]\nname = "naimishnet"\nsize = 64\n[crop]\nscale = 1.25\n[loss]\nname = "mse"\n'
        '[optimizer]\nname = "adam"\nlr = 1e-4\n'
    )
    # Processes draw masks of their own, so dropout alone would tell the two runs apart.
    program.write_text(
        "from torch import nn\nnn.Dropout = lambda _: nn.Identity()\n"
        "from fkd_train.cli.train import main\nmain()\n"
    )
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1"]
    results = []
    for count, kind in ((1, "--cpu"), (2, "--multi_gpu")):
        out = tmp_path / f"run{count}"
        places = ["--data", str(drawn_data), "--out", str(out), "--workers", "0"]
        arguments = [kind, "--num_processes", str(count), str(program), "--recipe", str(recipe)]
        run_to_end([*launch, *arguments, *places])
        results.append([float(row[key]) for row in log(out) for key in ("train_loss", "nme")])
    assert results[1] == pytest.approx(results[0], rel=1e-3)


def test_a_folder_with_a_run_is_not_overwritten(
    undisturbed: Path, tiny: LandmarkRecipe, drawn_data: Path
) -> None:
    with pytest.raises(RunError, match="resume it with --resume"):
        train(tiny, drawn_data, undisturbed, workers=0)


def test_a_run_from_before_a_recipe_had_a_field_is_resumed(
    undisturbed: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "older"
    shutil.copytree(undisturbed, out)
    table = json.loads((out / "recipe.json").read_text())
    del table["scheme"]
    (out / "recipe.json").write_text(json.dumps(table))
    train(replace(tiny, epochs=4), drawn_data, out, resume=True, workers=0)


def test_resuming_with_another_recipe_is_refused(
    undisturbed: Path, tiny: LandmarkRecipe, drawn_data: Path
) -> None:
    before = (undisturbed / "recipe.json").read_text()
    with pytest.raises(RunError, match="another recipe"):
        train(replace(tiny, epochs=9), drawn_data, undisturbed, resume=True, workers=0)
    assert (undisturbed / "recipe.json").read_text() == before


def test_a_kill_between_the_log_and_the_first_checkpoint_logs_no_epoch_twice(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_save = loop.Trainer._save

    def save(trainer: loop.Trainer, name: str, resumable: bool = True) -> None:
        if name == "last":
            raise KeyboardInterrupt
        own_save(trainer, name, resumable)

    monkeypatch.setattr(loop.Trainer, "_save", save)
    with pytest.raises(KeyboardInterrupt):
        train(tiny, drawn_data, tmp_path / "run", workers=0)
    monkeypatch.undo()
    assert [row["epoch"] for row in log(tmp_path / "run")] == ["1"]
    train(tiny, drawn_data, tmp_path / "run", workers=0, resume=True)
    assert [row["epoch"] for row in log(tmp_path / "run")] == ["1", "2"]


def test_a_signal_while_processes_agree_is_not_lost(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_reduce = Accelerator.reduce

    def reduce(accelerator: Accelerator, tensor: torch.Tensor, reduction: str) -> torch.Tensor:
        found: torch.Tensor = own_reduce(accelerator, tensor, reduction)
        os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(Accelerator, "reduce", reduce)
    assert train(tiny, drawn_data, tmp_path / "run", workers=0).summary is None
    assert load_checkpoint(tmp_path / "run" / "last.pt")["progress"]["step"] == 2


def test_a_signal_to_the_whole_group_leaves_the_loader_working(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """As systemd and timeout send it: to the workers too."""
    out = tmp_path / "run"
    arguments = command(replace(tiny, epochs=400), drawn_data, out)
    arguments[2] = arguments[2].replace("workers=0", "workers=1")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not (out / "last.pt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()[-2000:]
    assert b"Traceback" not in said


def test_there_must_be_a_run_to_resume(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no training run"):
        train(tiny, drawn_data, tmp_path / "none", resume=True, workers=0)


def test_workers_change_nothing_but_speed(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for count in (0, 2):
            train(tiny, drawn_data, tmp_path / str(count), workers=count)
    finally:
        torch.set_num_threads(threads)
    assert_same_weights(tmp_path / "0", tmp_path / "2")


def test_evaluation_is_in_full_precision_whatever_training_is_in(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """What a half-precision run logs is what its checkpoint gives afterwards."""
    out = tmp_path / "run"
    train(replace(tiny, precision="bf16"), drawn_data, out, workers=0)
    predict, sampler = open_model(out)
    again = evaluate(predict, read_faces(drawn_data, "test"), sampler)
    assert float(log(out)[-1]["nme"]) == pytest.approx(again.accuracy.nme, rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100])
def test_one_cycle_ends_at_nothing_however_short_the_run(tiny: LandmarkRecipe, steps: int) -> None:
    network = build_landmark_net(tiny.model.spec(68))
    optimizer, schedule = build_optimizer(network, tiny.optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < steps else None
    assert max(rates) <= tiny.optimizer.lr * (1 + 1e-9)
    if steps > 2:
        assert rates[-1] < 0.01 * max(rates)


def test_tensorboard_gets_every_figure(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    train(replace(tiny, epochs=1), drawn_data, tmp_path / "run", workers=0, tensorboard=True)
    (events,) = (tmp_path / "run" / "tensorboard").glob("events.*")
    content = events.read_bytes()
    assert b"train_loss" in content
    assert b"nme" in content


def test_a_failed_save_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        save_checkpoint(path, {"epoch": 2, "cannot be pickled": lambda: None})
    assert path.read_bytes() == before
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt: cannot be written: File too large"):
            save_checkpoint(path, {"epoch": 2, "weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("content", [b"", b"hello", b"(", b"G", b"PK\x03\x04 not really a zip"])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"last\.pt: not a checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_without_a_recipe_says_so(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x.pt", {"weights": {}, "points": 68, "progress": {}})
    with pytest.raises(RunError, match="a checkpoint without recipe"):
        load_checkpoint(tmp_path / "x.pt")


def test_a_checkpoint_is_data_and_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "path": Path("x")}, path)
    with pytest.raises(RunError, match="not a checkpoint"):
        load_checkpoint(path)
