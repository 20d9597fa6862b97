"""A custom data set with five points per face, from the documented recipe to annotated images."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from repo_paths import DOCS

from fkd_infer.cli import main as infer_cli
from fkd_infer.geometry.boxes import points_box
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.media.images.file import read_image
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.cli import evaluate, export, train
from fkd_train.config.landmarks import LandmarkRecipe, load_landmark_recipe
from fkd_train.config.sections import AugmentConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import load_evaluation, load_split
from fkd_train.data.faces import Faces

PAGE = DOCS / "how-to" / "training.md"
SMALLER = (
    "batch=8",
    "augment={flip=0.5, shift=0.05}",
    "optimizer={lr=0.01, ema=0.0}",
    "model.trunk={stem=8, widths=[16, 32], depths=[1, 1]}",
)


def run(command: click.Command, *arguments: str | Path) -> Result:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe from docs/how-to/training.md."""
    section = PAGE.read_text().partition("## Your own data")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```toml\n(.*?)```", section, flags=re.DOTALL)
    path = tmp_path_factory.mktemp("recipe") / "five.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def recipe(recipe_file: Path) -> LandmarkRecipe:
    return load_landmark_recipe(str(recipe_file))


@pytest.fixture(scope="module")
def trained(
    recipe_file: Path, five_point_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run folder of that recipe, with a smaller network and few epochs."""
    out = tmp_path_factory.mktemp("own") / "run"
    smaller = [part for line in SMALLER for part in ("--set", line)]
    options = ("--data", five_point_data, "--out", out, "--epochs", "12", "--size", "48")
    run(train.main, "--recipe", recipe_file, *options, "--workers", "0", *smaller)
    return out


@pytest.fixture(scope="module")
def model(trained: Path) -> Path:
    """Its exported file, verified on drawn faces."""
    path = trained.parent / "five.onnx"
    result = run(export.main, trained, "--out", path)
    assert "NME not compared, on 64 drawn faces" in result.output
    return path


@pytest.fixture(scope="module")
def held_out(recipe: LandmarkRecipe, five_point_data: Path) -> Faces:
    return load_evaluation(five_point_data, recipe.split, recipe.landmarks)


def test_training_lowers_the_error(trained: Path) -> None:
    with (trained / "log.csv").open() as file:
        errors = [float(row["nme"]) for row in csv.DictReader(file)]
    assert errors[-1] < 0.5 * errors[0]
    assert (trained / "plots" / "faces.png").is_file()
    assert (trained / "plots" / "curves.png").is_file()


def test_the_original_programs_metric_is_for_its_68_points_alone(
    trained: Path, model: Path, five_point_data: Path, tmp_path: Path
) -> None:
    assert "seed_mse" not in (trained / "log.csv").read_text()
    again = tmp_path / "again.onnx"
    run(export.main, trained, "--out", again, "--data", five_point_data)
    (measured,) = LandmarkSession(again, "cpu").card.accuracy.values()
    assert measured.seed_mse is None
    options = ("--data", five_point_data, "--split", "identity", "--json", tmp_path / "m.json")
    result = run(evaluate.main, "--model", model, *options)
    assert "seed MSE" not in result.output
    assert "seed_mse" not in json.loads((tmp_path / "m.json").read_text())


def test_checkpoint_and_exported_file_are_evaluated_with_their_own_scheme(
    trained: Path, model: Path, five_point_data: Path, tmp_path: Path
) -> None:
    results = []
    for file in (trained, model):
        options = ("--data", five_point_data, "--split", "identity", "--json", tmp_path / "m.json")
        run(evaluate.main, "--model", file, *options)
        results.append(json.loads((tmp_path / "m.json").read_text()))
    assert results[0]["nme"] == pytest.approx(results[1]["nme"], abs=1e-2)
    assert results[0]["regions"].keys() == {"eyes", "nose", "mouth"}


def test_the_exported_file_contains_its_scheme(model: Path, recipe: LandmarkRecipe) -> None:
    card = LandmarkSession(model, "cpu").card
    assert card.landmarks == recipe.landmarks
    assert card.parity is not None
    assert card.parity.nme_change is None


def test_the_runtime_predicts_five_points(
    model: Path, held_out: Faces, five_point_data: Path, tmp_path: Path
) -> None:
    photo = five_point_data / "training" / held_out.names[0]
    boxes, record, table = (tmp_path / name for name in ("boxes.csv", "f.jsonl", "f.csv"))
    box = ",".join(map(str, points_box(held_out.points[0]).tolist()))
    boxes.write_text(f"source,frame,x0,y0,x1,y1\n{photo},0,{box}\n")
    outputs = ("--json", record, "--csv", table, "--out", tmp_path / "out")
    run(infer_cli.main, photo, "--model", model, "--boxes", boxes, *outputs)
    (face,) = json.loads(record.read_text())["faces"]
    eyes = np.linalg.norm(held_out.points[0, 0] - held_out.points[0, 1])
    off = np.linalg.norm(np.array(face["points"]) - held_out.points[0], axis=1)
    assert off.shape == (5,)
    assert off.mean() < 0.4 * eyes
    header, row = csv.reader(table.read_text().splitlines())
    assert header[-11:-1] == [f"{axis}{point}" for point in range(5) for axis in "xy"]
    assert len(row) == len(header)
    assert (read_image(tmp_path / "out" / photo.name) != read_image(photo)).any()


def test_a_cropped_image_needs_no_boxes(
    model: Path, five_point_data: Path, held_out: Faces, tmp_path: Path
) -> None:
    photo, record = five_point_data / "training" / held_out.names[0], tmp_path / "f.jsonl"
    run(infer_cli.main, photo, "--model", model, "--detector", "none", "--json", record)
    (face,) = json.loads(record.read_text())["faces"]
    assert np.array(face["points"]).shape == (5, 2)


def test_all_augmentations_work_with_five_points(recipe: LandmarkRecipe, held_out: Faces) -> None:
    probabilities = (
        "flip",
        "loose",
        "light",
        "lamp",
        "blur",
        "noise",
        "occlusion",
        "glasses",
        "hand",
    )
    strong = AugmentConfig(
        shift=0.1, scale=0.2, roll=20, stretch=0.1, **dict.fromkeys(probabilities, 1.0)
    )
    sampler, rng = CropSampler.of(recipe), np.random.default_rng(0)
    for image, points in zip(held_out.images, held_out.points, strict=True):
        pixels, moved, _ = sampler.random(image, points, strong, rng)
        assert pixels.shape == (128, 128, 1)
        assert moved.shape == (5, 2)
        # The image is mirrored and its points swapped, so the right eye is on the left again.
        assert moved[0, 0] < moved[1, 0]


def test_finds_a_background_crop_beside_points_on_a_line(
    recipe: LandmarkRecipe, held_out: Faces
) -> None:
    sampler, rng = CropSampler.of(recipe), np.random.default_rng(0)
    level = np.array([[40, 40], [50, 40]], np.float32)
    crops = [sampler.background_matrix(held_out.images[0], level, rng) for _ in range(20)]
    assert any(matrix is not None for matrix in crops)


def test_names_the_expected_points_of_the_scheme(five_point_data: Path) -> None:
    with pytest.raises(
        ValueError, match=r"11 columns; 137 columns are expected.*68 points of ibug"
    ):
        load_split(five_point_data, "identity", IBUG68)
