"""COCO documents are parsed again and compared with the faces that were written."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import FIVE

from fkd_infer.errors import OutputError
from fkd_infer.formats.coco import CocoSink
from fkd_infer.landmarks.schemes import IBUG68, find_scheme
from fkd_infer.types import Face, Frame

IMAGE = np.zeros((48, 64, 3), np.uint8)


def face(face_id: int | None = None, count: int = 68) -> Face:
    points = np.arange(2 * count, dtype=np.float32).reshape(count, 2) + np.float32(0.126)
    return Face(points, np.array([1, 2, 30.333, 40.999], np.float32), 0.98765, face_id)


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("ascii"))
    return found


def test_images_annotations_and_the_category(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with CocoSink(path) as sink:
        sink.write(Frame(IMAGE, "Zoë.mp4", 0), [])
        sink.write(Frame(IMAGE, "Zoë.mp4", 1, Fraction(1, 25)), [face(7), face()])
    found = document(path)
    assert list(found) == ["images", "annotations", "categories"]
    assert found["images"][1] == {
        "id": 2,
        "file_name": "Zoë.mp4",
        "width": 64,
        "height": 48,
        "frame": 1,
        "time": 0.04,
    }
    first, second = found["annotations"]
    assert (first["id"], second["id"]) == (1, 2)
    assert {first["image_id"], second["image_id"]} == {2}
    assert first["keypoints"][:6] == [0.13, 1.13, 2, 2.13, 3.13, 2]
    assert (len(first["keypoints"]), first["num_keypoints"]) == (204, 68)
    assert first["bbox"] == [1.0, 2.0, 29.33, 39.0]
    assert first["area"] == pytest.approx(29.333 * 38.999, abs=0.01)
    assert (first["score"], first["iscrowd"], first["category_id"]) == (0.9877, 0, 1)
    assert (first["track_id"], first["predicted"]) == (7, False)
    assert not {"track_id", "predicted"} & set(second)
    assert [image["id"] for image in found["images"]] == [1, 2]


def test_names_and_skeleton_of_the_68_points(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "a.json", IBUG68):
        pass
    (category,) = document(tmp_path / "a.json")["categories"]
    names = category["keypoints"]
    assert (len(names), len(set(names))) == (68, 68)
    assert (names[0], names[36], names[47], names[67]) == (
        "jaw_0",
        "right_eye_0",
        "left_eye_5",
        "inner_lips_7",
    )
    lines = category["skeleton"]
    assert [1, 2] in lines  # the jaw begins
    assert [17, 18] not in lines  # the jaw does not lead to a brow
    assert [42, 37] in lines  # an eye is closed
    assert {number for line in lines for number in line} == set(range(1, 69))


def test_another_scheme(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "a.json", FIVE) as sink:
        sink.write(Frame(IMAGE, "a.png"), [face(count=5)])
    found = document(tmp_path / "a.json")
    names = ["eyes_0", "eyes_1", "nose_0", "mouth_0", "mouth_1"]
    assert found["categories"][0]["keypoints"] == names
    assert found["categories"][0]["skeleton"] == [[1, 2], [4, 5]]
    assert found["annotations"][0]["num_keypoints"] == 5


def test_points_of_unjoined_groups_are_not_in_the_skeleton(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "a.json", find_scheme("wflw98")) as sink:
        sink.write(Frame(IMAGE, "a.png"), [face(count=98)])
    (category,) = document(tmp_path / "a.json")["categories"]
    assert category["keypoints"][96:] == ["pupils_0", "pupils_1"]
    assert {number for line in category["skeleton"] for number in line} == set(range(1, 97))


def test_a_document_without_frames_is_complete(tmp_path: Path) -> None:
    with CocoSink(tmp_path / "a.json"):
        pass
    found = document(tmp_path / "a.json")
    assert (found["images"], found["annotations"]) == ([], [])


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("before")
    with CocoSink(path) as sink:
        sink.write(Frame(IMAGE, "a.png"), [face()])
        assert path.read_text() == "before"
    assert len(document(path)["annotations"]) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_leaves_nothing_after_an_exception(tmp_path: Path) -> None:
    def fail() -> None:
        with CocoSink(tmp_path / "a.json") as sink:
            sink.write(Frame(IMAGE, "a.png"), [face()])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_reports_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/out: cannot be written"):
        CocoSink(tmp_path / "file" / "out").__enter__()


def test_refuses_numbers_that_are_no_json(tmp_path: Path) -> None:
    broken = Face(np.full((68, 2), np.nan, np.float32), face().box)
    with pytest.raises(ValueError, match="JSON"), CocoSink(tmp_path / "a.json") as sink:
        sink.write(Frame(IMAGE, "a.png"), [broken])
    assert list(tmp_path.iterdir()) == []
