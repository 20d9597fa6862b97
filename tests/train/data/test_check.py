"""The search for wrong annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from repo_paths import DATA_FOLDER, PHOTOS_FOLDER

from fkd_infer.landmarks.head_model import mean_head
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_train.cli import train
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.check import (
    check_training_faces,
    describe_pairs,
    shared_images,
    suspicions,
    wrong_mirror_pairs,
)
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import DatasetError, RecipeError
from fkd_train.training.run import train as train_recipe


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    images, points = zip(*(draw_face(120, rng) for _ in range(30)), strict=True)
    return Faces(tuple(f"{n}.png" for n in range(30)), images, np.stack(points))


def found(faces: Faces) -> dict[str, tuple[int, ...]]:
    return {suspicion.what: suspicion.rows for suspicion in suspicions(faces)}


def test_good_faces_are_not_suspicious(faces: Faces) -> None:
    assert found(faces) == {}


def test_each_mistake_is_found_where_it_is(faces: Faces) -> None:
    points = faces.points.copy()
    points[3] = points[3][IBUG68.flip_permutation]
    points[5] = 119 - points[5]  # upside down
    points[7, :17] = np.random.default_rng(1).uniform(20, 100, (17, 2))
    points[9] += 60
    points[11] = points[11] * 0.1 + 50
    images = list(faces.images)
    images[13] = images[12]
    wrong = found(replace(faces, points=points, images=tuple(images)))
    assert wrong == {
        "left and right points swapped": (3,),
        "faces upside down or on their side": (5,),
        "shapes unlike all others": (7,),
        "points outside of the image": (9,),
        "faces smaller than 24 px": (11,),
        "the same image twice": (12, 13),
    }


def test_images_in_two_parts_are_counted(faces: Faces) -> None:
    parts = {"training": faces.rows(range(20)), "test": faces.rows(range(18, 30))}
    assert shared_images(parts) == [("training", "test", 2)]


def test_the_command_counts_faces_and_draws_them(drawn_data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["check-data", "--data", str(drawn_data), "--sheet", str(sheet)]
    result = CliRunner().invoke(train.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert f"{drawn_data} (csv), training: 20 faces of 10 people or photos" in result.output
    assert f"{drawn_data} (csv), test: 6 faces of 3 people or photos" in result.output
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[1] == 8 * 200


def test_the_command_lists_bad_rows(tmp_path: Path) -> None:
    result = CliRunner().invoke(train.main, ["check-data", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "training_frames_keypoints.csv: no such file" in result.output


PAIRS = IBUG68.mirror_pairs
EYES = range(36, 48)


def with_pairs(pairs: list[tuple[int, int]]) -> LandmarkScheme:
    return replace(IBUG68, name="mine", mirror_pairs=tuple(pairs))


def of_shape(points: list[np.ndarray]) -> Faces:
    stacked = np.stack(points).astype(np.float32)
    return Faces(("",) * len(stacked), (), stacked)


def turned(yaws: list[float]) -> Faces:
    """The mean head, turned sideways by some degrees."""
    head = mean_head()
    angles = np.radians(yaws)
    sideways = [
        np.stack([head[:, 0] * np.cos(a) + head[:, 2] * np.sin(a), head[:, 1]], 1) for a in angles
    ]
    return of_shape([100 * points for points in sideways])


def test_good_mirror_pairs_are_not_suspicious(faces: Faces) -> None:
    assert wrong_mirror_pairs(faces) == []
    assert wrong_mirror_pairs(turned([-30, -10, 0, 10, 30])) == []


@pytest.mark.parametrize("yaw", [10, 20, 30, 45, -25])
def test_faces_that_are_all_turned_to_one_side_raise_no_false_alarm(yaw: float) -> None:
    assert not wrong_mirror_pairs(turned([yaw - 5, yaw, yaw + 5]))


@pytest.mark.parametrize(
    "folder", [DATA_FOLDER, PHOTOS_FOLDER.with_name("300w") / "lfpw"], ids=["youtube", "300w"]
)
def test_annotators_of_real_faces_raise_no_false_alarm(folder: Path) -> None:
    if not folder.is_dir():
        pytest.skip(f"no data set at {folder}; set FKD_DATA to its folder")
    assert wrong_mirror_pairs(read_faces(folder, "training")) == []


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            [pair for pair in PAIRS if pair[0] not in EYES],
            "36 alone is likely [36, 45]; 37 alone is likely [37, 44]; 38 alone is likely [38, 43]",
        ),
        (
            [pair for pair in PAIRS if pair[0] not in (17, 21)] + [(17, 22), (21, 26)],
            "[17, 22] is likely [17, 26]; [21, 26] is likely [21, 22]",
        ),
        ([*PAIRS, (27, 30)], "[27, 30] is likely 27 alone; [30, 27] is likely 30 alone"),
    ],
)
def test_wrong_mirror_pairs_are_named_with_the_likely_ones(
    faces: Faces, pairs: list[tuple[int, int]], message: str
) -> None:
    wrong = wrong_mirror_pairs(replace(faces, scheme=with_pairs(pairs)))
    assert wrong is not None
    assert describe_pairs(wrong).startswith(message)
    assert "\n" not in describe_pairs(wrong)


def test_training_with_mirrored_images_is_refused_for_wrong_pairs(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    without = with_pairs([pair for pair in PAIRS if pair[0] != 36])
    recipe = replace(tiny, scheme=without)
    with pytest.raises(RecipeError) as caught:
        train_recipe(recipe, drawn_data, tmp_path / "run", workers=0)
    text = str(caught.value)
    assert text.startswith("recipe tiny: mirror_pairs of mine do not fit the faces: 36 alone is")
    assert "augment.flip = 0 trains without them" in text
    check_training_faces(read_faces(drawn_data, "training", without), "tiny", flip=0)


def test_training_is_refused_for_points_that_no_face_has(faces: Faces) -> None:
    labelled = np.ones((30, 68), np.bool_)
    labelled[:, [4, 9]] = False
    with pytest.raises(DatasetError, match=r"no training face has a label .* of ibug68: 4, 9; use"):
        check_training_faces(replace(faces, labelled=labelled), "mine", flip=0)


def test_the_command_names_wrong_mirror_pairs(drawn_data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    table = "\n".join(f"{name} = {list(group)}" for name, group in IBUG68.groups.items())
    pairs = [list(pair) for pair in PAIRS if pair[0] != 36]
    recipe.write_text(
        'summary = "for tests"\nsplit = "official"\nepochs = 1\nbatch = 4\n'
        '[model]\nname = "naimishnet"\nsize = 64\n[crop]\nscale = 1.25\n[loss]\nname = "wing"\n'
        '[optimizer]\nname = "adamw"\nlr = 0.001\n[scheme]\nname = "mine"\ncount = 68\n'
        f"outer_eye_corners = [36, 45]\nmirror_pairs = {pairs}\n[scheme.groups]\n{table}\n"
    )
    arguments = ["check-data", "--data", str(drawn_data), "--recipe", str(recipe)]
    result = CliRunner().invoke(train.main, arguments, catch_exceptions=False)
    assert "mirror_pairs of mine look wrong: 36 alone is likely [36, 45]" in result.output
