"""Resuming with another recipe or other data."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from drawn_dataset import with_learning_rate
from training_logs import read_log, saved_epoch

from fkd_train.checkpoints import load_checkpoint, save_checkpoint
from fkd_train.cli.train import main
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.dataset import read_faces
from fkd_train.data.fingerprint import differences, fingerprint_faces, load_fingerprints
from fkd_train.errors import RunError
from fkd_train.training.run import train

pytestmark = pytest.mark.usefixtures("one_thread", "no_plots")


def test_names_the_changes_of_the_recipe(run: tuple[Path, Path], short: LandmarkRecipe) -> None:
    out, data = run
    other = replace(with_learning_rate(short, 0.5), batch=5)
    line = r"other data: batch 4 -> 5; optimizer\.lr 0\.001 -> 0\.5; optimizer\.schedule one_cycle "
    with pytest.raises(RunError, match=line):
        train(other, data, out, workers=0, resume=True)
    (out / "recipe.json").write_text("[]")
    with pytest.raises(RunError, match=r"other data: recipe\.json, which holds no recipe; resume"):
        train(short, data, out, workers=0, resume=True)


def test_force_continues_with_another_batch_size_and_average(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    """It uses the epochs, the schedule and the average of the new recipe."""
    out, data = run
    rates, best = [], (out / "best.pt").read_bytes()
    for epochs, ema in ((3, 0.0), (5, 0.5)):
        optimizer = replace(short.optimizer, ema=ema)
        other = replace(short, epochs=epochs, batch=5, optimizer=optimizer)
        train(other, data, out, workers=0, resume=True, force=True)
        assert (load_checkpoint(out / "last.pt")["averaged"] is not None) == bool(ema)
        rates.append(float(read_log(out)[-1]["lr"]))
    assert max(rates) < 0.05 * short.optimizer.lr, "one_cycle ended with the new number of epochs"
    assert [row["epoch"] for row in read_log(out)] == ["1", "2", "3", "4", "5"]
    nme = [float(row["nme"]) for row in read_log(out)]
    best_epoch = saved_epoch(out / "best.pt")
    assert nme[best_epoch - 1] == pytest.approx(min(nme))
    assert (best_epoch > 2) == ((out / "best.pt").read_bytes() != best)


def test_force_refuses_another_network_in_one_line(
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


def test_refuses_other_data_and_names_the_changes(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    table = data / "training_frames_keypoints.csv"
    header, first, *rest = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, *rest]))
    gone = (
        r"recipe or other data: 1 row for (training|evaluation) \(training/Person_0_00\.jpg\) gone"
    )
    with pytest.raises(RunError, match=gone):
        train(short, data, out, workers=0, resume=True)
    messages: list[str] = []
    longer, best = replace(short, epochs=3), saved_epoch(out / "best.pt")
    train(longer, data, out, workers=0, resume=True, force=True, notify=messages.append)
    assert "gone" in messages[0]
    assert saved_epoch(out / "best.pt") == 3 > best, "results on other data do not compare"
    table.write_text("".join([header, first, *rest]))
    with pytest.raises(
        RunError, match=r"\(training/Person_0_00\.jpg\) new; resume with the original"
    ):
        train(longer, data, out, workers=0, resume=True)


def test_detects_every_change_of_the_data(drawn_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_data, data)
    table = data / "training_frames_keypoints.csv"
    header, first, second, *rest = table.read_text().splitlines(keepends=True)

    def now(others: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}) -> list[str]:  # noqa: B006
        current = fingerprint_faces("training", "training", read_faces(data, "training"), others)
        return differences(before, current)

    before = fingerprint_faces("training", "training", read_faces(data, "training"))
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


def test_resumes_a_run_of_an_older_version_with_a_message(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    recorded = (out / "data.csv").read_text()
    (out / "data.csv").unlink()
    for name in ("last.pt", "best.pt"):
        content = load_checkpoint(out / name)
        del content["data"]
        save_checkpoint(out / name, content)
    messages: list[str] = []
    train(short, data, out, workers=0, resume=True, notify=messages.append)
    assert "did not record its data" in messages[0]
    assert (out / "data.csv").read_text() == recorded
    train(short, data, out, workers=0, resume=True, notify=messages.append)
    assert len(messages) == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"use,file\n1,2\n", b"a,b,c,d\n"])
def test_refuses_a_damaged_record_of_the_data_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(
        RunError,
        match=r"data\.csv: cannot be read, so changes of the data cannot be detected; delete it",
    ):
        load_fingerprints(path)


def test_force_needs_resume(short: LandmarkRecipe, tmp_path: Path) -> None:
    places = ["--recipe", "fkdnet", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*places, "--force"])
    assert result.exit_code == 2
    assert "--force needs --resume" in result.output


def test_refuses_a_folder_with_checkpoints_but_no_recipe(
    run: tuple[Path, Path], short: LandmarkRecipe
) -> None:
    out, data = run
    (out / "recipe.json").unlink()
    for resume in (False, True):
        with pytest.raises(
            RunError, match=r"run: holds last\.pt but no recipe\.json; restore that file"
        ):
            train(short, data, out, workers=0, resume=resume)
