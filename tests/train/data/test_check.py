"""The search for wrong annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.cli import train
from fkd_train.data.check import shared_images, suspicions
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face


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
