"""Reading NPZ files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_dataset import tiny_recipe, write_npz

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.data.dataset import find_sets, load_split, read_faces
from fkd_train.errors import DatasetError
from fkd_train.training.run import train


def test_a_folder_or_a_file_is_read(tmp_path: Path) -> None:
    written = write_npz(tmp_path / "training.npz", 4, seed=0)
    write_npz(tmp_path / "test.npz", 2, seed=1)
    assert [known.format for known in find_sets([tmp_path, tmp_path / "test.npz"])] == ["npz"] * 2
    faces = read_faces(tmp_path, "training", IBUG68)
    assert faces.names == ("photo0", "photo0", "photo1", "photo1")
    np.testing.assert_array_equal(faces.points, np.stack(written))
    assert faces.labelled is None
    assert len(read_faces(Path(f"npz:{tmp_path}/training.npz"), "test", IBUG68)) == 2
    assert len(read_faces(tmp_path / "test.npz", "test", IBUG68)) == 2


def test_pictures_are_rgb_in_the_file_and_bgr_in_memory(tmp_path: Path) -> None:
    red = np.zeros((1, 100, 100, 3), np.uint8)
    red[..., 0] = 200
    write_npz(tmp_path / "a.npz", 1, 0, images=red)
    in_colour = read_faces(tmp_path / "a.npz", "training", IBUG68, colour=True)
    assert in_colour.images[0][0, 0].tolist() == [0, 0, 200]
    assert read_faces(tmp_path / "a.npz", "training", IBUG68).images[0].shape == (100, 100)


def test_points_that_are_not_visible_or_nan_are_not_labelled(tmp_path: Path) -> None:
    points = np.stack(write_npz(tmp_path / "a.npz", 4, seed=0))
    points[0, 5] = np.nan
    visible = np.ones((4, 68), np.int64)
    visible[1, 6] = 0
    write_npz(tmp_path / "a.npz", 4, 0, points=points, visible=visible)
    faces = read_faces(tmp_path / "a.npz", "training", IBUG68)
    assert np.argwhere(~faces.labels).tolist() == [[0, 5], [1, 6]]
    assert np.isfinite(faces.points).all()


def test_faces_of_one_name_are_on_one_side_of_a_split(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", 60, seed=0)
    training, held_out = load_split(tmp_path / "a.npz", "identity", IBUG68)
    assert len(held_out) > 0
    assert not set(training.names) & set(held_out.names)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"images": np.zeros((2, 9, 9), np.float32)}, r"images is float32 of shape \(2, 9, 9\)"),
        ({"images": np.zeros((2, 9, 9, 4), np.uint8)}, "store uint8, gray .* or RGB"),
        ({"points": np.zeros((2, 5, 2))}, r"need numbers of shape \(2, 68, 2\)"),
        ({"points": np.full((2, 68, 2), np.inf)}, r"points\[0, 0, 0\] is inf, not a coordinate"),
        ({"points": np.full((2, 68, 2), 3.0)}, "face 0, photo0: the outer eye corners coincide"),
        ({"visible": np.ones((2, 3))}, r"visible is float64 of shape \(2, 3\)"),
        ({"names": np.ones(2)}, "names is float64"),
        ({"names": np.array([{}, {}], object)}, "not NumPy arrays: Object arrays"),
    ],
)
def test_other_arrays_are_refused(changes: dict[str, object], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, 2, 0, **changes)
    with pytest.raises(DatasetError, match=problem) as caught:
        read_faces(path, "training", IBUG68)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 100, 3000])
def test_a_file_that_is_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, 2, 0)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DatasetError, match="not NumPy arrays"):
        read_faces(path, "training", IBUG68)


def test_missing_arrays_and_parts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((2, 9, 9), np.uint8))
    with pytest.raises(DatasetError, match="it has no array points"):
        read_faces(path, "training", IBUG68)
    with pytest.raises(DatasetError, match=r"no \.npz file for the part test; name a folder"):
        read_faces(path, "test", IBUG68)
    with pytest.raises(DatasetError, match=r"b\.npz: no such file"):
        read_faces(tmp_path / "b.npz", "training", IBUG68)


def test_a_network_trains_on_arrays(tmp_path: Path) -> None:
    write_npz(tmp_path / "training.npz", 8, seed=0)
    write_npz(tmp_path / "test.npz", 2, seed=1)
    result = train(replace(tiny_recipe(), epochs=1), tmp_path, tmp_path / "run", workers=0)
    assert result.summary is not None
    assert "(2 faces)" in result.summary
