"""Reading photos and lists of WFLW, as drawn faces in its layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_dataset import tiny_recipe, wflw_points, write_picture, write_wflw

from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import IBUG68, find_scheme
from fkd_infer.media.images.file import read_image
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import find_sets, load_split, read_faces
from fkd_train.data.formats.wflw import ibug_points
from fkd_train.data.synthetic import face_shape
from fkd_train.errors import DatasetError
from fkd_train.evaluation.accuracy import evaluation_matrices
from fkd_train.training.run import train

WFLW98 = find_scheme("wflw98")
LIST = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wflw(tmp_path, "training", 3, seed=0)
    write_wflw(tmp_path, "test", 2, seed=1)
    return tmp_path


def in_crops(faces: list[Floats]) -> Floats:
    """Points relative to their boxes."""
    points = np.stack(faces)
    corner = points.min(axis=1, keepdims=True)
    shares: Floats = (points - corner) / np.ptp(points, axis=1).max(axis=1)[:, None, None]
    return shares


def test_faces_of_a_photo_are_read_with_the_part_around_them(tmp_path: Path) -> None:
    written = write_wflw(tmp_path, "training", 3, seed=0)
    faces = read_faces(tmp_path, "training", WFLW98)
    assert [known.format for known in find_sets(tmp_path)] == ["wflw"]
    assert len(faces) == 6
    assert faces.names[0] == faces.names[1] == "training--Crowd/0.jpg"
    assert faces.labelled is None
    np.testing.assert_allclose(in_crops(list(faces.points)), in_crops(written), atol=1e-4)
    for image, points in zip(faces.images, faces.points, strict=True):
        assert image.ndim == 2
        assert image.shape < (180, 320)  # of the photo's two faces
        x, y = np.rint(points[60]).astype(int)
        assert image[y - 2 : y + 3, x - 2 : x + 3].min() < 100  # the corner of the eye is dark


def test_the_crop_of_a_region_is_that_of_the_photo(folder: Path) -> None:
    faces = read_faces(folder, "training", IBUG68)
    sampler = CropSampler(64, 1, tiny_recipe().crop, IBUG68)
    matrices = evaluation_matrices(faces, sampler)
    for image, matrix in zip(faces.images, matrices, strict=True):
        crop = sampler.cut(image, matrix)
        assert len(np.unique(crop)) > 20


def test_large_faces_are_kept_with_fewer_pixels(tmp_path: Path) -> None:
    (points,) = write_wflw(tmp_path, "training", 1, seed=0)[:1]
    photo = tmp_path / "WFLW_images/training--Crowd/0.jpg"
    large = cv2.resize(read_image(photo), None, fx=8, fy=8)
    write_picture(photo, np.asarray(large, np.uint8))
    line = (tmp_path / LIST).read_text().splitlines()[0].split()
    grown = [f"{8 * (float(v) + 0.5) - 0.5:.4f}" for v in line[:196]]
    (tmp_path / LIST).write_text(" ".join([*grown, *line[196:]]) + "\n")
    faces = read_faces(tmp_path, "training", WFLW98)
    assert np.ptp(faces.points[0], axis=0).max() == pytest.approx(256, abs=1)
    np.testing.assert_allclose(in_crops([faces.points[0]]), in_crops([points]), atol=2e-3)


def test_ibugs_68_points_are_taken_from_the_98(folder: Path) -> None:
    shape = face_shape()
    np.testing.assert_array_equal(ibug_points(wflw_points(shape)), shape)
    faces = read_faces(folder, "test", IBUG68)
    assert faces.points.shape == (4, 68, 2)
    assert faces.scheme == IBUG68


def test_photos_are_on_one_side_of_a_split(tmp_path: Path) -> None:
    write_wflw(tmp_path, "training", 20, seed=0)
    training, held_out = load_split(tmp_path, "identity", WFLW98)
    assert len(held_out) > 0
    assert not set(training.names) & set(held_out.names)


def test_every_bad_line_is_listed(folder: Path) -> None:
    path = folder / LIST
    lines = path.read_text().splitlines()
    lines[0] = lines[0].rpartition(" ")[0]
    lines[1] = "x" + lines[1]
    lines[2] = lines[2].replace("training--Crowd/1.jpg", "gone.jpg")
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError) as caught:
        read_faces(folder, "training", WFLW98)
    text = str(caught.value)
    assert "3 problems, nothing was read" in text
    assert "line 1: 206 values, and a line of WFLW has 207" in text
    assert "line 2: value 1 is 'x" in text
    assert "line 3: " in text
    assert "gone.jpg" in text


def test_other_schemes_are_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="those of wflw98, not of five; use the scheme wflw98"):
        read_faces(folder, "training", find_scheme("five"))


def test_a_network_trains_on_98_points(folder: Path, tmp_path: Path) -> None:
    recipe = replace(tiny_recipe(), scheme="wflw98", epochs=1)
    result = train(recipe, Path(f"wflw:{folder}"), tmp_path / "run", workers=0)
    assert result.summary is not None
    assert "(4 faces)" in result.summary
    assert "seed_mse" not in (tmp_path / "run" / "log.csv").read_text()
