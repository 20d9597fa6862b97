"""Training that diverges: one line says so, and earlier checkpoints stay intact."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_dataset import with_learning_rate
from training_logs import read_log, saved_epoch

from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.errors import DivergedError
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.training import landmark_task
from fkd_train.training.run import train

pytestmark = pytest.mark.usefixtures("one_thread", "no_plots")


def test_a_loss_that_is_not_finite_ends_the_run(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    line = r"diverged in epoch 1, step [23]: the loss is (nan|inf); nothing was saved yet; resume "
    with pytest.raises(DivergedError, match=line):
        train(with_learning_rate(short, 1e30), drawn_data, tmp_path / "run", workers=0)
    assert not list((tmp_path / "run").glob("*.pt"))
    assert not (tmp_path / "run" / "log.csv").exists()


def test_resuming_with_a_lower_learning_rate_recovers(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    before = [(out / name).read_bytes() for name in ("last.pt", "best.pt")]
    longer = replace(short, epochs=4)
    messages: list[str] = []
    line = (
        r"in epoch 3, step \d: the loss is (nan|inf); "
        r"last\.pt was saved at the end of epoch 2; resume "
    )
    with pytest.raises(DivergedError, match=line):
        train(with_learning_rate(longer, 1e30), data, out, workers=0, resume=True, force=True)
    assert [(out / name).read_bytes() for name in ("last.pt", "best.pt")] == before
    stable = with_learning_rate(longer, 1e-4)
    train(stable, data, out, workers=0, resume=True, force=True, notify=messages.append)
    assert "continues by --force, with changes: optimizer.lr 1e+30 -> 0.0001" in messages[0]
    assert [row["epoch"] for row in read_log(out)] == ["1", "2", "3", "4"]
    assert {row["lr"] for row in read_log(out)[2:]} == {"0.0001"}
    assert all(np.isfinite(float(value)) for row in read_log(out) for value in row.values())
    changes = [json.loads(line) for line in (out / "changes.jsonl").read_text().splitlines()]
    assert [change["epochs"] for change in changes] == [2, 2]
    assert "epochs 2 -> 4" in changes[0]["changes"]
    train(stable, data, out, workers=0, resume=True)


@pytest.mark.parametrize("save_every", [0.0, 600.0])
def test_does_not_save_weights_that_are_not_finite(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, save_every: float
) -> None:
    """The loss is finite, but its step makes the weights overflow."""
    recipe = with_learning_rate(short, 1e300, batch=100 if save_every else 8)
    with pytest.raises(DivergedError, match="in epoch 1, step 1: a weight is not finite; nothing"):
        train(recipe, drawn_data, tmp_path / "run", workers=0, save_every=save_every)
    assert not list((tmp_path / "run").glob("*.pt"))


def test_an_evaluation_that_is_not_finite_is_never_selected_as_best(
    short: LandmarkRecipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluations = []

    def second_fails(*arguments: object, **options: object) -> Evaluation:
        evaluation = evaluate(*arguments, **options)  # type: ignore[arg-type]
        evaluations.append(evaluation)
        if len(evaluations) != 2:
            return evaluation
        return Evaluation.of(evaluation.points * np.float32("nan"), evaluation.faces)

    monkeypatch.setattr(landmark_task, "evaluate", second_fails)
    for split in ("identity", "official"):
        evaluations.clear()
        out = tmp_path / split
        train(replace(short, split=split), drawn_data, out, workers=0)
        assert [row["nme"] == "nan" for row in read_log(out)] == [False, True]
        assert saved_epoch(out / "best.pt") == 1
        assert saved_epoch(out / "last.pt") == 2
