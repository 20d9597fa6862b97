"""Reading and splitting data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fkd_train.choices import Split
from fkd_train.config.sections import DataConfig
from fkd_train.data.dataset import DataSet, find_sets, load_evaluation, load_split, read_faces
from fkd_train.data.formats.keypoint_csv import person
from fkd_train.errors import DatasetError


@pytest.fixture
def copy(drawn_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(drawn_data, folder)
    return folder


def edit(folder: Path, line: int, old: str, new: str) -> None:
    csv = folder / "test_frames_keypoints.csv"
    lines = csv.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    csv.write_text("\n".join(lines) + "\n")


def first_value(folder: Path, line: int) -> str:
    return (folder / "test_frames_keypoints.csv").read_text().splitlines()[line - 1].split(",")[1]


def test_reads_rows_as_gray_images_and_points(drawn_data: Path) -> None:
    faces = read_faces(drawn_data, "test")
    assert len(faces) == 6
    assert faces.points.shape == (6, 68, 2)
    assert all(image.ndim == 2 and image.dtype == np.uint8 for image in faces.images)


def test_ignores_images_without_a_row(copy: Path) -> None:
    (copy / "test" / "Stranger_00.jpg").write_bytes(b"never read")
    assert len(read_faces(copy, "test")) == 6


def test_reads_an_rgba_png_named_jpg_without_alpha(copy: Path) -> None:
    path = copy / "test" / "Person_0_00.jpg"
    gray = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    alpha = np.random.default_rng(0).integers(0, 256, gray.shape, np.uint8)
    _, data = cv2.imencode(".png", np.dstack([gray, gray, gray, alpha]))
    path.write_bytes(data.tobytes())
    np.testing.assert_array_equal(read_faces(copy, "test").images[0], gray)


def test_reports_all_bad_rows_together(copy: Path) -> None:
    edit(copy, 2, first_value(copy, 2), "x1")
    edit(copy, 3, first_value(copy, 3), "nan")
    edit(copy, 4, first_value(copy, 4), "")
    (copy / "test" / "Person_1_01.jpg").unlink()
    (copy / "test" / "Person_2_00.jpg").write_bytes(b"")
    truncated = copy / "test" / "Person_2_01.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    with pytest.raises(DatasetError) as caught:
        read_faces(copy, "test")
    text = str(caught.value)
    assert "test_frames_keypoints.csv: 6 problems" in text
    for line in (
        "line 2, Person_0_00.jpg: column 2 is 'x1', not a number",
        "line 3, Person_0_01.jpg: column 2 is 'nan', not a finite number",
        "line 4, Person_1_00.jpg: column 2 is '', not a number",
        "line 5, Person_1_01.jpg",
        "line 6, Person_2_00.jpg",
        "the file is empty",
        "line 7, Person_2_01.jpg",
        "cut short",
    ):
        assert line in text


def test_refuses_a_file_that_is_not_an_image_in_one_line(copy: Path) -> None:
    (copy / "test" / "Person_0_00.jpg").write_text("hello")
    with pytest.raises(DatasetError, match=r"line 2, Person_0_00\.jpg.*not an image") as caught:
        read_faces(copy, "test")
    assert "\n" not in str(caught.value)


def test_names_the_expected_columns(copy: Path) -> None:
    csv = copy / "test_frames_keypoints.csv"
    csv.write_text("\n".join(line.rpartition(",")[0] for line in csv.read_text().splitlines()))
    with pytest.raises(DatasetError, match="136 columns; 137 columns are expected"):
        read_faces(copy, "test")


def test_names_a_short_row(copy: Path) -> None:
    csv = copy / "test_frames_keypoints.csv"
    lines = csv.read_text().splitlines()
    lines[2] = lines[2].rpartition(",")[0]
    csv.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=r"line 3.*column 137"):
        read_faces(copy, "test")


def test_names_coordinates_out_of_range_and_coinciding_eye_corners(copy: Path) -> None:
    edit(copy, 2, first_value(copy, 2), "1e39")
    csv = copy / "test_frames_keypoints.csv"
    lines = csv.read_text().splitlines()
    lines[2] = lines[2].split(",")[0] + ",5" * 136
    csv.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError) as caught:
        read_faces(copy, "test")
    assert "line 2, Person_0_00.jpg: column 2 is '1e39'" in str(caught.value)
    assert "line 3, Person_0_01.jpg: the outer eye corners coincide" in str(caught.value)


def test_reports_bad_rows_of_both_parts_together(copy: Path) -> None:
    (copy / "training" / "Person_0_00.jpg").unlink()
    (copy / "test" / "Person_0_00.jpg").unlink()
    with pytest.raises(DatasetError) as caught:
        load_split(copy, "official")
    assert "training_frames_keypoints.csv: line 2" in str(caught.value)
    assert "test_frames_keypoints.csv: line 2" in str(caught.value)


def test_refuses_a_split_with_an_empty_part(copy: Path) -> None:
    csv = copy / "training_frames_keypoints.csv"
    csv.write_text("\n".join(csv.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(DatasetError, match="leaves a part empty"):
        load_split(copy, "identity")


def test_a_missing_csv_names_the_data_option(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--data"):
        read_faces(tmp_path, "test")


def test_the_identity_split_separates_people() -> None:
    assert person("Abdel_Aziz_Al-Hakim_00.jpg") == "Abdel_Aziz_Al-Hakim"
    videos = DataSet(Path("data"), "csv")
    one, other = (videos.is_held_out(f"A_B_{n}.jpg", "identity") for n in ("00", "51"))
    assert one == other
    names = [f"Person_{number}_00.jpg" for number in range(2000)]
    shares: dict[Split, int] = {"identity": 5, "folds": 10}
    for split, share in shares.items():
        held_out = sum(videos.is_held_out(name, split) for name in names)
        assert 0.8 < held_out * share / len(names) < 1.2


def test_the_real_splits_have_their_documented_sizes(data_folder: Path) -> None:
    training, held_out = load_split(data_folder, "identity")
    assert (len(training), len(held_out)) == (2655, 807)
    assert not set(map(person, training.names)) & set(map(person, held_out.names))
    test = read_faces(data_folder, "test")
    held_out = test.only(lambda name: DataSet(data_folder, "csv").is_held_out(name, "identity"))
    assert (len(test), len(held_out)) == (770, 179)


def test_each_data_set_has_its_own_split(drawn_data: Path, copy: Path) -> None:
    configs = [DataConfig("one", format="csv"), DataConfig("two", format="csv", split="none")]
    training, evaluation = load_split([drawn_data, copy], "official", configs=configs)
    both, test = read_faces(drawn_data, "training"), read_faces(drawn_data, "test")
    assert training.sets == (*len(both) * ("one",), *len(both) * ("two",))
    assert evaluation.sets == len(test) * ("one",)
    again = load_evaluation([drawn_data, copy], "official", configs=configs)
    assert again.names == evaluation.names


def test_a_format_may_be_stated(drawn_data: Path) -> None:
    known, *others = find_sets([Path(f"csv:{drawn_data}")])
    assert (known.folder, known.format, known.name, others) == (drawn_data, "csv", "csv", [])
    with pytest.raises(DatasetError, match=r"no \.pts files for the part test"):
        read_faces(Path(f"300w:{drawn_data}"), "test")


def test_names_the_data_sets_of_a_recipe_that_has_none_for_a_folder(drawn_data: Path) -> None:
    configs = [DataConfig("photos", format="300w")]
    with pytest.raises(DatasetError, match=r"its format is csv.*left for it: photos \(300w\)"):
        load_split(drawn_data, "official", configs=configs)
    assert set(load_evaluation(drawn_data, "official", configs=configs).sets) == {"csv"}


def test_bad_rows_of_several_data_sets_are_reported_together(drawn_data: Path, copy: Path) -> None:
    edit(copy, 2, first_value(copy, 2), "x1")
    missing = drawn_data.parent / "missing"
    with pytest.raises(DatasetError) as caught:
        read_faces([copy, missing], "test")
    assert "line 2, Person_0_00.jpg" in str(caught.value)
    assert f"{missing}/test_frames_keypoints.csv: no such file" in str(caught.value)
