"""Training runs of a tiny detector on drawn faces."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from training_logs import assert_same_weights, read_log

from fkd_train.checkpoints import (
    holds_detector,
    load_checkpoint,
    load_detector,
    load_landmark_network,
    save_checkpoint,
)
from fkd_train.cli.train import main
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict
from fkd_train.data.loader import Batch
from fkd_train.errors import RunError
from fkd_train.training import trainer as loop
from fkd_train.training.run import train

pytestmark = pytest.mark.usefixtures("one_thread")
SHARES = ["mosaic_ap", "mosaic_recall", "photo_recall", "photo_recall_at_half"]


@pytest.fixture(scope="module")
def run(
    tiny_detector: DetectorRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder and the summary of a complete run."""
    out = tmp_path_factory.mktemp("detector") / "run"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    summary = train(tiny_detector, drawn_data, out, workers=0).summary
    torch.set_num_threads(threads)
    assert summary is not None
    return out, summary


def test_writes_all_documented_files(run: tuple[Path, str]) -> None:
    out, summary = run
    names = {".lock", "recipe.json", "options.json", "data.csv", "log.csv", "best.pt", "last.pt"}
    assert {path.name for path in out.iterdir()} == names
    rows = read_log(out)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in SHARES)
    assert all(float(row["photo_false_at_half"]) >= 0 for row in rows)
    ap = 100 * float(rows[-1]["mosaic_ap"])
    assert summary.startswith(f"average precision {ap:.2f} % on 6 mosaics")
    assert "% of 6 faces found on images" in summary


def test_a_checkpoint_holds_the_detector_and_its_recipe(
    run: tuple[Path, str], tiny_detector: DetectorRecipe
) -> None:
    for name in ("best.pt", "last.pt"):
        assert holds_detector(run[0] / name)
        network, recipe, content = load_detector(run[0] / name)
        assert recipe == tiny_detector
        assert not network.training
        assert content["points"] == 5
    assert load_checkpoint(run[0] / "last.pt")["progress"]["epoch"] == 2


def test_a_stopped_and_resumed_run_ends_in_the_same_weights(
    run: tuple[Path, str],
    tiny_detector: DetectorRecipe,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, steps, original_step = tmp_path / "stopped", [], loop.Trainer._step

    def step(trainer: loop.Trainer, batch: Batch) -> float:
        steps.append(trainer.progress.step)
        if len(steps) == 5:  # the second of three steps in the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return original_step(trainer, batch)

    monkeypatch.setattr(loop.Trainer, "_step", step)
    assert train(tiny_detector, drawn_data, out, workers=0).summary is None
    assert load_checkpoint(out / "last.pt")["progress"]["step"] == 2
    with pytest.raises(RunError, match="another recipe"):
        train(replace(tiny_detector, seed=1), drawn_data, out, resume=True, workers=0)
    assert train(tiny_detector, drawn_data, out, resume=True, workers=0).summary == run[1]
    assert steps == [0, 1, 2, 0, 1, 2]
    assert_same_weights(out, run[0])


def test_the_size_option_sets_the_size_of_mosaics(drawn_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["--recipe", "detector", "--size", "96", "--epochs", "1", "--workers", "0"]
    arguments += ["--split", "official", "--data", str(drawn_data), "--out", str(out)]
    for line in (
        "mosaic.per_epoch=4",
        "mosaic.validation=2",
        "mosaic.pictures=[]",
        "precision='fp32'",
        "model.widths=[8, 8, 8, 8]",
    ):
        arguments += ["--set", line]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "average precision" in result.output
    assert load_detector(out / "last.pt")[1].mosaic.size == 96


def test_refuses_checkpoints_of_another_kind_in_one_line(
    run: tuple[Path, str], tiny: LandmarkRecipe, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"last\.pt: holds a detector, but a landmark network"):
        load_landmark_network(run[0] / "last.pt")
    content = {"recipe": landmark_recipe_to_dict(tiny), "points": 68, "weights": {}}
    save_checkpoint(tmp_path / "points.pt", {**content, "progress": {"epoch": 0}})
    assert not holds_detector(tmp_path / "points.pt")
    with pytest.raises(RunError, match=r"points\.pt: .*, but a detector is needed"):
        load_detector(tmp_path / "points.pt")
    content = load_checkpoint(run[0] / "best.pt")
    save_checkpoint(tmp_path / "few.pt", content | {"weights": {}})
    with pytest.raises(RunError, match="its weights do not fit its recipe's network"):
        load_detector(tmp_path / "few.pt")
