"""Training runs on drawn faces: stopped, killed or resumed, with the same result."""

from __future__ import annotations

import json
import os
import re
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
from training_logs import assert_same_weights, read_log

from fkd_train.checkpoints import load_checkpoint
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.data.dataset import read_faces
from fkd_train.data.loader import Batch
from fkd_train.errors import RunError
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.predict import open_model
from fkd_train.training import trainer as loop
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
    """Sends a signal as soon as the run is ready for it."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "the run ended before it was interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)


def metrics(out: Path) -> list[tuple[str, ...]]:
    """The logged values, except speed, which differs between runs."""
    return [(row["epoch"], row["train_loss"], row["nme"]) for row in read_log(out)]


@pytest.fixture(scope="module")
def uninterrupted(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a complete run of four epochs on one thread."""
    out = tmp_path_factory.mktemp("runs") / "uninterrupted"
    run_to_end(command(replace(tiny, epochs=4), drawn_data, out))
    return out


def test_writes_all_documented_files(uninterrupted: Path) -> None:
    names = {
        str(path.relative_to(uninterrupted)) for path in uninterrupted.rglob("*") if path.is_file()
    }
    plots = {f"plots/{name}.png" for name in ("curves", "ced", "filters", "faces", "worst")}
    files = {".lock", "recipe.json", "options.json", "data.csv", "log.csv", "best.pt", "last.pt"}
    assert names == files | plots
    assert [row["epoch"] for row in read_log(uninterrupted)] == ["1", "2", "3", "4"]
    assert float(read_log(uninterrupted)[-1]["train_loss"]) < float(
        read_log(uninterrupted)[0]["train_loss"]
    )


def test_resuming_after_kill_9_ends_in_the_same_weights(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    recipe, out = replace(tiny, epochs=4), tmp_path / "killed"
    second_epoch = lambda: (out / "log.csv").exists() and len(read_log(out)) >= 2  # noqa: E731
    interrupt(command(recipe, drawn_data, out), second_epoch, signal.SIGKILL)
    run_to_end(command(recipe, drawn_data, out, "resume"))
    assert_same_weights(out, uninterrupted)
    assert metrics(out) == metrics(uninterrupted)


def test_resuming_after_kill_9_before_the_first_checkpoint_starts_again(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    recipe, out = replace(tiny, epochs=4), tmp_path / "killed"
    interrupt(command(recipe, drawn_data, out), (out / "recipe.json").exists, signal.SIGKILL)
    assert not (out / "last.pt").exists()
    run_to_end(command(recipe, drawn_data, out, "resume"))
    assert_same_weights(out, uninterrupted)


def test_sigterm_saves_within_an_epoch_and_resuming_continues_there(
    uninterrupted: Path,
    tiny: LandmarkRecipe,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, steps, original_step = tmp_path / "stopped", [], loop.Trainer._step

    def step(trainer: loop.Trainer, batch: Batch) -> float:
        steps.append(trainer.progress.step)
        if len(steps) == 8:  # the third of five steps in the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return original_step(trainer, batch)

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
    assert_same_weights(out, uninterrupted)
    assert metrics(out) == metrics(uninterrupted)


def test_refuses_a_folder_that_holds_a_run(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path
) -> None:
    with pytest.raises(RunError, match="resume it with --resume"):
        train(tiny, drawn_data, uninterrupted, workers=0)


def test_starts_with_the_weights_of_another_run(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    still = replace(tiny, epochs=1, optimizer=replace(tiny.optimizer, lr=1e-12))
    last = uninterrupted / "last.pt"
    train(still, drawn_data, tmp_path / "run", init=last, workers=0)
    before, after = (
        load_checkpoint(folder / "last.pt")["weights"]
        for folder in (uninterrupted, tmp_path / "run")
    )
    for name, weights in before.items():
        if name.endswith("weight"):
            torch.testing.assert_close(after[name], weights, atol=1e-6, rtol=1e-4)


def test_tells_which_weights_of_another_network_it_starts_with(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    other = replace(tiny, epochs=1, model=replace(tiny.model, size=2 * tiny.model.size))
    lines: list[str] = []
    last = uninterrupted / "last.pt"
    train(other, drawn_data, tmp_path / "run", init=last, workers=0, notify=lines.append)
    assert re.fullmatch(rf"15 of 16 tensors \(\d+ % of the weights\) from {last}", lines[0])
    assert lines[1].startswith("of another shape: body.2.weight (1024, ")


def test_refuses_initial_weights_that_do_not_fit_at_all(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    torch.save({"other.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(RunError, match="none of its weights fits the network"):
        train(tiny, drawn_data, tmp_path / "run", init=tmp_path / "other.pt", workers=0)
    with pytest.raises(RunError, match="no such file of weights"):
        train(tiny, drawn_data, tmp_path / "run", init=tmp_path / "none.pt", workers=0)
    assert not (tmp_path / "run").exists()


def test_resumes_a_run_whose_recipe_lacks_a_newer_field(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "older"
    shutil.copytree(uninterrupted, out)
    table = json.loads((out / "recipe.json").read_text())
    del table["scheme"]
    (out / "recipe.json").write_text(json.dumps(table))
    train(replace(tiny, epochs=4), drawn_data, out, resume=True, workers=0)


def test_refuses_to_resume_with_another_recipe(
    uninterrupted: Path, tiny: LandmarkRecipe, drawn_data: Path
) -> None:
    before = (uninterrupted / "recipe.json").read_text()
    with pytest.raises(RunError, match="another recipe"):
        train(replace(tiny, epochs=9), drawn_data, uninterrupted, resume=True, workers=0)
    assert (uninterrupted / "recipe.json").read_text() == before


def test_logs_no_epoch_twice_after_a_kill_before_the_first_checkpoint(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original_save = loop.Trainer._save

    def save(trainer: loop.Trainer, name: str, resumable: bool = True) -> None:
        if name == "last":
            raise KeyboardInterrupt
        original_save(trainer, name, resumable)

    monkeypatch.setattr(loop.Trainer, "_save", save)
    with pytest.raises(KeyboardInterrupt):
        train(tiny, drawn_data, tmp_path / "run", workers=0)
    monkeypatch.undo()
    assert [row["epoch"] for row in read_log(tmp_path / "run")] == ["1"]
    train(tiny, drawn_data, tmp_path / "run", workers=0, resume=True)
    assert [row["epoch"] for row in read_log(tmp_path / "run")] == ["1", "2"]


def test_handles_a_signal_while_processes_synchronise(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original_reduce = Accelerator.reduce

    def reduce(accelerator: Accelerator, tensor: torch.Tensor, reduction: str) -> torch.Tensor:
        reduced: torch.Tensor = original_reduce(accelerator, tensor, reduction)
        os.kill(os.getpid(), signal.SIGTERM)
        return reduced

    monkeypatch.setattr(Accelerator, "reduce", reduce)
    assert train(tiny, drawn_data, tmp_path / "run", workers=0).summary is None
    assert load_checkpoint(tmp_path / "run" / "last.pt")["progress"]["step"] == 2


def test_saves_after_a_signal_to_the_process_group(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """systemd and timeout also signal the loader workers."""
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
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr.decode()[-2000:]
    assert b"Traceback" not in stderr


def test_refuses_to_resume_without_a_run(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no training run"):
        train(tiny, drawn_data, tmp_path / "none", resume=True, workers=0)


def test_the_number_of_workers_does_not_change_the_weights(
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


def test_evaluates_in_full_precision_after_bf16_training(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """The logged NME equals that of the checkpoint."""
    out = tmp_path / "run"
    train(replace(tiny, precision="bf16"), drawn_data, out, workers=0)
    predict, sampler = open_model(out)
    evaluation = evaluate(predict, read_faces(drawn_data, "test"), sampler)
    assert float(read_log(out)[-1]["nme"]) == pytest.approx(evaluation.accuracy.nme, rel=1e-5)


def test_writes_every_metric_to_tensorboard(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    train(replace(tiny, epochs=1), drawn_data, tmp_path / "run", workers=0, tensorboard=True)
    (events,) = (tmp_path / "run" / "tensorboard").glob("events.*")
    content = events.read_bytes()
    assert b"train_loss" in content
    assert b"nme" in content
