"""Reading `.pts` files as 300-W has them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_dataset import pts_text

from fkd_train.config.sections import DataConfig
from fkd_train.data.dataset import DataSet, load_split, read_faces
from fkd_train.data.formats.ibug_pts import source_photo
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import DatasetError

NAMES = (
    "afw/1051618982_1",
    "afw/1051618982_2",
    "helen/trainset/100032540_1",
    "lfpw/trainset/image_0006",
    "helen/testset/30427236_1",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Drawn faces in the folders of 300-W; one file has no header."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        image, points = draw_face(60, rng)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path.with_suffix(".png")), image)
        path.with_suffix(".pts").write_text(pts_text(points, header="_2" not in name))
    return tmp_path


def test_points_are_counted_from_one_and_parts_are_told_by_folder(folder: Path) -> None:
    rng = np.random.default_rng(0)
    expected = {name: draw_face(60, rng) for name in NAMES}
    training, test = read_faces(folder, "training"), read_faces(folder, "test")
    assert training.names == tuple(f"{name}.png" for name in sorted(NAMES[:4]))
    assert test.names == ("helen/testset/30427236_1.png",)
    for faces in (training, test):
        for name, image, points in zip(faces.names, faces.images, faces.points, strict=True):
            drawn, placed = expected[name.removesuffix(".png")]
            np.testing.assert_array_equal(image, drawn)
            np.testing.assert_allclose(points, placed, atol=1e-3)


def test_images_are_read_in_colour_on_request(folder: Path) -> None:
    assert read_faces(folder, "training", colour=True).images[0].shape == (60, 60, 3)


def test_every_bad_file_is_listed(folder: Path) -> None:
    (folder / "afw/1051618982_1.pts").write_text("version: 1\n{\n1 2\n3 4\n}")
    (folder / "afw/1051618982_2.pts").write_text("1 2\n3 x\n")
    (folder / "lfpw/trainset/image_0006.png").unlink()
    with pytest.raises(DatasetError) as raised:
        read_faces(folder, "training")
    text = str(raised.value)
    assert "afw/1051618982_1.pts: 2 points; ibug68 has 68" in text
    assert "afw/1051618982_2.pts: line 2 is '3 x', not x y of a point" in text
    assert "lfpw/trainset/image_0006.pts: no image beside it" in text


def test_a_missing_part_is_named(folder: Path) -> None:
    (folder / "helen/testset/30427236_1.pts").unlink()
    with pytest.raises(DatasetError, match=r"no \.pts files for the part test; .* testset"):
        load_split(folder, "official")


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_refuses_coordinates_that_are_not_finite(value: str, folder: Path) -> None:
    path = folder / "afw/1051618982_2.pts"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{value} {first.split()[1]}", *others]))
    with pytest.raises(DatasetError, match="not a finite number"):
        read_faces(folder, "training")


def test_faces_of_one_photo_stay_together() -> None:
    assert source_photo("afw/1051618982_1.jpg") == source_photo("afw/1051618982_12_mirror.jpg")
    assert source_photo("helen/trainset/100032540_1.jpg") == "100032540"
    assert source_photo("lfpw/trainset/image_0006.png") == "image_0006"


def test_several_data_sets_are_joined_and_photos_held_out(folder: Path, drawn_data: Path) -> None:
    whole, _ = load_split(drawn_data, "official")
    photos = DataConfig("photos", format="300w", held_out=("1051618982", "image_0006"))
    configs = [DataConfig("videos", format="csv"), photos]
    training, evaluation = load_split([drawn_data, folder], "official", configs=configs)
    assert training.names == (*whole.names, "helen/trainset/100032540_1.png")
    assert evaluation.names[-1] == "helen/testset/30427236_1.png"
    assert training.sets == (*len(whole) * ("videos",), "photos")
    assert len(training.paths) == len(training)
    assert all(path.is_file() for path in (*training.paths, *evaluation.paths))


def test_the_identity_split_holds_out_whole_photos() -> None:
    photos = DataSet(Path("data"), "300w")
    one, other = (photos.is_held_out(f"afw/1051618982_{n}.jpg", "identity") for n in (1, 2))
    assert one == other
    names = [f"helen/trainset/{number}_1.jpg" for number in range(2000)]
    assert 150 < sum(photos.is_held_out(name, "identity") for name in names) < 250
