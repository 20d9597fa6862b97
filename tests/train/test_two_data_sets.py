"""Two data sets whose annotators differ: training, its result, the export and the evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from drawn_dataset import pts_text

import fkd_infer
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import load_landmark_network
from fkd_train.cli import evaluate, export, train
from fkd_train.cli.options import with_overrides
from fkd_train.config.recipe import load_recipe
from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.predict import convention_offsets
from fkd_train.export.cards import splits

RECIPE = """
summary = "two sets of drawn faces"
split = "identity"
epochs = 8
batch = 8
convention = "photos"

[model]
name = "fkdnet"
size = 64
head = "grid"
score = true
spread = true
refine = true

[model.trunk]
stem = 8
widths = [8, 16]
depths = [1, 1]
context = 8

[crop]
scale = 1.25

[augment]
flip = 0.5
turned = 0.3
unframed = 0.2

[loss]
name = "wing"

[optimizer]
name = "adamw"
lr = 0.01
ema = 0.5

[[data]]
name = "videos"
format = "csv"
licence = "free"
weight = 0.5

[[data]]
name = "photos"
format = "300w"
licence = "for tests"
split = "folds"
"""


def run(command: object, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces as in 300-W, all of whose points are annotated too far right."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(40):
        image, points = draw_face(120, rng)
        path = folder / "helen" / "trainset" / f"{number}_1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
        moved = points + np.array([6, 0], np.float32)
        path.with_suffix(".pts").write_text(pts_text(moved))
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "two.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(
    drawn_data: Path, photos: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("two") / "run"
    data: list[str | Path] = ["--data", drawn_data, "--data", photos]
    result = run(train.main, "--recipe", recipe, *data, "--out", out, "--workers", "0")
    assert result.exit_code == 0, result.output
    assert "(videos)" in result.output
    assert "(photos)" in result.output
    return out


def test_the_log_and_the_plots_have_both_data_sets(trained: Path) -> None:
    header = (trained / "log.csv").read_text().splitlines()[0].split(",")
    assert {"nme", "nme_videos", "nme_photos"} <= set(header)
    assert (trained / "plots" / "conventions.png").is_file()
    uses = (trained / "data.csv").read_text()
    assert "training/Person_0_00.jpg" in uses
    assert "helen/trainset/0_1.png" in uses


def test_the_network_learns_how_the_annotators_differ(trained: Path) -> None:
    """After a few epochs only the direction is certain."""
    network, recipe, _ = load_landmark_network(trained / "last.pt")
    offsets = convention_offsets(network, recipe)
    assert (offsets["photos"] == 0).all()
    assert network.conventions is not None
    shift = network.conventions().mean(dim=0)
    assert shift[0] > 0
    assert offsets["videos"][:, 0].mean() < 0


def test_the_exported_file_has_the_shipped_convention_and_states_the_others(
    trained: Path, drawn_data: Path, photos: Path, tmp_path: Path
) -> None:
    model = tmp_path / "two.onnx"
    data: list[str | Path] = ["--data", drawn_data, "--data", photos]
    result = run(export.main, trained, "--out", model, *data)
    assert result.exit_code == 0, result.output
    session = LandmarkSession(model, "cpu")
    card = session.card
    assert card.convention == "photos"
    assert list(card.conventions) == ["videos"]
    assert (card.training.data, card.training.split) == (
        "videos and photos",
        "videos identity, photos folds",
    )
    assert card.licence == "weights trained on: free; for tests"
    assert set(card.accuracy) == {"videos, identity split", "photos, folds split"}
    assert card.parity is not None
    assert card.parity.largest_spread is not None
    prediction = session.run(np.zeros((3, 64, 64, 1), np.uint8))
    assert prediction.spreads is not None
    assert prediction.spreads.shape == (3, 68)
    assert (prediction.spreads > 0).all()

    out = tmp_path / "own.json"
    arguments: list[str | Path] = ["--model", model, "--data", drawn_data, "--split", "identity"]
    own = run(evaluate.main, *arguments, "--convention", "videos", "--json", out)
    assert own.exit_code == 0, own.output
    measured = json.loads(out.read_text())
    expected = card.accuracy["videos, identity split"]
    assert measured["nme"] == pytest.approx(expected.nme, abs=0.01)
    arguments[1] = trained
    from_run = run(evaluate.main, *arguments, "--convention", "videos", "--json", out)
    assert from_run.exit_code == 0, from_run.output
    assert json.loads(out.read_text())["nme"] == pytest.approx(expected.nme, abs=0.01)
    arguments[1] = model
    unknown = run(evaluate.main, *arguments, "--convention", "films")
    assert unknown.exit_code == 1
    assert "has no convention 'films'; those that it learned: videos" in unknown.output


def test_faces_have_a_spread_in_pixels_of_the_frame(trained: Path, tmp_path: Path) -> None:
    model = tmp_path / "two.onnx"
    assert run(export.main, trained, "--out", model).exit_code == 0
    image, _ = draw_face(200, np.random.default_rng(3))
    colour = np.repeat(image[..., None], 3, axis=2)
    pipeline = fkd_infer.load(model, detector="none")
    (face,) = pipeline(colour)
    assert face.spread is not None
    assert face.spread.shape == (68,)
    small = cv2.resize(colour, (100, 100), interpolation=cv2.INTER_AREA)
    (smaller,) = pipeline(np.asarray(small, np.uint8))
    assert smaller.spread is not None
    ratio = float(np.median(face.spread / smaller.spread))
    assert ratio == pytest.approx(2, rel=0.3)


def test_a_run_without_one_of_the_data_sets_says_so(
    drawn_data: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    given = ["--data", drawn_data, "--out", out, "--workers", "0", "--epochs", "1"]
    result = run(train.main, "--recipe", recipe, *map(str, given))
    assert result.exit_code == 0, result.output
    assert "trains without photos (300w), which no --data names" in result.output
    _, kept, _ = load_landmark_network(out / "last.pt")
    assert [row.name for row in kept.data] == ["videos"]
    assert kept.convention == "videos"


def test_a_split_of_the_command_line_is_that_of_all_data_sets() -> None:
    recipe = load_recipe("fkdnet")
    assert splits(recipe.data, recipe.split) == "youtube-faces-68 official, 300w none"
    changed = with_overrides(recipe, split="identity", epochs=None, size=None, seed=None)
    assert splits(changed.data, changed.split) == "identity"


def test_data_of_a_format_that_the_recipe_does_not_have_is_refused(
    drawn_data: Path, recipe: Path, tmp_path: Path
) -> None:
    data: list[str | Path] = ["--data", drawn_data, "--data", drawn_data]
    result = run(train.main, "--recipe", recipe, *data, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "its format is csv, and the recipe has no data set left for it" in result.output


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('convention = "photos"', 'convention = "films"', "convention names none"),
        ('name = "photos"', 'name = "videos"', "two data sets have the same name"),
        ('format = "csv"', 'format = "xml"', "should be 'csv', '300w', 'wflw', 'coco' or 'npz'"),
        ("weight = 0.5", "weight = 0", "greater than 0"),
        ("context = 8", "context = -1", "greater than or equal to 0"),
        ("size = 64", "size = 72", "does not halve evenly"),
    ],
)
def test_recipes_with_wrong_data_sets_are_refused(
    old: str, new: str, problem: str, drawn_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(RECIPE.replace(old, new))
    result = run(train.main, "--recipe", path, "--data", drawn_data, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert problem in result.output


def test_a_teacher_is_followed_or_refused(
    trained: Path, drawn_data: Path, photos: Path, recipe: Path, tmp_path: Path
) -> None:
    def train_with(teacher: Path, out: str, *changes: str) -> Result:
        given = ["--data", drawn_data, "--data", photos, "--workers", "0", "--epochs", "1"]
        sets = [f"loss.teacher='{teacher}'", *changes]
        options = [part for line in sets for part in ("--set", line)]
        return run(
            train.main, "--recipe", recipe, *map(str, given), *options, "--out", tmp_path / out
        )

    alone = train_with(trained, "alone", "loss.teaching=0")
    taught = train_with(trained, "taught", "loss.teaching=1")
    assert alone.exit_code == taught.exit_code == 0, taught.output
    losses = [
        (tmp_path / out / "log.csv").read_text().splitlines()[1].split(",")[1]
        for out in ("alone", "taught")
    ]
    assert losses[0] != losses[1]
    other_crop = train_with(trained, "crop", "crop.scale=1.5")
    assert other_crop.exit_code == 1
    assert "has another crop; use one that was trained with the same" in other_crop.output
    nothing = train_with(tmp_path / "nothing.pt", "nothing")
    assert nothing.exit_code == 1
    assert "nothing.pt: no such checkpoint" in nothing.output


def test_every_kind_of_export_has_its_outputs(trained: Path, tmp_path: Path) -> None:
    triton = tmp_path / "triton"
    serving = ("--triton", triton, "--triton-device", "gpu", "--triton-tensorrt", "fp16")
    served = run(export.main, trained, "--out", tmp_path / "a.onnx", *serving)
    assert served.exit_code == 0, served.output
    config = next(triton.rglob("config.pbtxt")).read_text()
    assert "KIND_GPU" in config
    assert '"FP16"' in config
    assert [f'name: "{name}"' in config for name in ("points", "score", "spread")] == [True] * 3
    joined = run(export.main, trained, "--out", tmp_path / "b.onnx", "--end-to-end")
    assert joined.exit_code == 0, joined.output
