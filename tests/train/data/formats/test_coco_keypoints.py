"""Reading COCO keypoints, those of COCO-WholeBody's faces, and what fkd-infer writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_dataset import coco_document, draw_scene, tiny_recipe, write_picture

from fkd_infer.formats.coco import CocoSink
from fkd_infer.landmarks.schemes import IBUG68, find_scheme
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Face, Frame
from fkd_train.data.dataset import find_sets, read_faces
from fkd_train.errors import DatasetError
from fkd_train.evaluation.comparison import EvaluationProtocol, compare
from fkd_train.export.landmarks import export_landmarks
from fkd_train.reports.html import write_report
from fkd_train.training.run import train

FACE = find_scheme("coco-face")


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return coco_document(3, 0, tmp_path / "val2017")


def written(
    tmp_path: Path, document: object, name: str = "annotations/wholebody_train.json"
) -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_faces_of_whole_bodies_are_read(tmp_path: Path, document: dict[str, Any]) -> None:
    path = written(tmp_path, document)
    assert [known.format for known in find_sets(path)] == ["coco"]
    faces = read_faces(path, "training", FACE)
    assert len(faces) == 6
    assert faces.names[1] == "000000000000.jpg"
    assert faces.labelled is not None
    assert faces.labelled.sum(axis=1).tolist() == [68, 60] * 3
    assert np.isfinite(faces.points).all()
    for points in faces.points[1::2]:
        chin, ear = points[8], points[16]
        eye = points[45]
        assert ear[0] > eye[0]  # a plausible place of the jaw that is not labelled
        assert ear[1] < chin[1]


def test_keypoints_themselves_may_be_the_points(tmp_path: Path) -> None:
    path = written(tmp_path, coco_document(2, 0, tmp_path / "images", "keypoints"))
    assert len(read_faces(Path(f"coco:{path}"), "training", IBUG68)) == 4


def test_faces_without_labels_are_left_out_and_counted(
    tmp_path: Path, document: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    document["annotations"][0]["face_kpts"] = [0] * 204
    document["annotations"][3]["face_kpts"][6:] = [0] * 198
    document["annotations"][4]["iscrowd"] = 1
    path = written(tmp_path, document)
    faces = read_faces(path, "training", FACE)
    assert len(faces) == 3
    assert f"{path}: leaves out 2 of 5 faces with fewer than 3 labelled points" in caplog.text
    for annotation in document["annotations"]:
        annotation["face_kpts"] = [0] * 204
    with pytest.raises(DatasetError, match="all 5 faces have fewer than 3 labelled points"):
        read_faces(written(tmp_path, document), "training", FACE)


def test_every_bad_annotation_is_listed(tmp_path: Path, document: dict[str, Any]) -> None:
    rows = document["annotations"]
    rows[0]["image_id"] = 99
    rows[1]["face_kpts"][4] = "x"
    rows[2]["face_kpts"][0:204:3] = [5000.0] * 68
    document["images"][2]["width"] = 11
    with pytest.raises(DatasetError) as caught:
        read_faces(written(tmp_path, document), "training", FACE)
    text = str(caught.value)
    assert "5 problems, nothing was read" in text
    assert "annotation 0: image_id names none of the images" in text
    assert "annotation 1: 'x' is not a number of pixels" in text
    assert "annotation 2, 000000000001.jpg: its points lie outside of the photo" in text
    assert "annotation 4, 000000000002.jpg: the photo has 320 × 180 pixels, and its" in text
    assert "annotation says 11 × 180" in text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not an object with images and annotations"),
        ('{"images": [], "annotations": 3}', "it has no list of images"),
        ('{"images": [{"id": 1, "file_name": "a"}]}', "it has no list of annotations"),
        (
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"keypoints": [1, 2, 2]}]}',
            "no annotation has 204 numbers .* of coco-face; their lengths: 3; choose the scheme",
        ),
    ],
)
def test_other_documents_are_refused_in_one_line(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=problem) as caught:
        read_faces(path, "training", FACE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reads_what_fkd_infer_writes(tmp_path: Path) -> None:
    photo, placed = draw_scene(2, np.random.default_rng(3))
    write_picture(tmp_path / "crowd.png", photo)
    colour = np.asarray(cv2.cvtColor(photo, cv2.COLOR_GRAY2BGR), np.uint8)
    faces = [
        Face(points, np.array([*points.min(0), *points.max(0)], np.float32)) for points in placed
    ]
    with CocoSink(tmp_path / "faces.json", IBUG68) as sink:
        sink.write(Frame(colour, str(tmp_path / "crowd.png")), faces)
    read = read_faces(tmp_path / "faces.json", "training", IBUG68, colour=True)
    assert len(read) == 2
    assert read.labelled is None
    for given, points in zip(placed, read.points, strict=True):
        np.testing.assert_allclose(given - given[0], points - points[0], atol=0.02)


def test_a_network_trains_on_faces_with_gaps(tmp_path: Path, document: dict[str, Any]) -> None:
    path = written(tmp_path, document)
    written(tmp_path, coco_document(1, 5, tmp_path / "images"), "annotations/wholebody_val.json")
    recipe = replace(tiny_recipe(), scheme="coco-face", epochs=1)
    result = train(recipe, path, tmp_path / "run", workers=0)
    assert result.summary is not None
    assert "(2 faces)" in result.summary
    protocol = EvaluationProtocol((path,), "official", "model", "points", perturb=True)
    comparison = compare([tmp_path / "run"], protocol)
    write_report(tmp_path / "report", comparison)
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    assert numbers["models"][0]["regions"].keys() == FACE.groups.keys()
    assert None not in numbers["models"][0]["point_errors"]
    export_landmarks(tmp_path / "run" / "last.pt", tmp_path / "a.onnx", path)
    (measured,) = LandmarkSession(tmp_path / "a.onnx", "cpu").card.accuracy.values()
    assert measured.nme == pytest.approx(comparison.results[0].evaluation.accuracy.nme, abs=1e-2)


def test_points_that_are_labelled_nowhere_have_no_error(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = written(tmp_path, document)
    ours = coco_document(1, 5, tmp_path / "images")
    del ours["annotations"][0]
    written(tmp_path, ours, "annotations/wholebody_val.json")
    recipe = replace(tiny_recipe(), scheme="coco-face", epochs=1)
    train(recipe, path, tmp_path / "run", workers=0)
    protocol = EvaluationProtocol((path,), "official", "model", "points", perturb=False)
    page = write_report(tmp_path / "report", compare([tmp_path / "run"], protocol))
    assert page.is_file()
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    errors = numbers["models"][0]["point_errors"]
    assert [number for number, error in enumerate(errors) if error is None] == list(range(9, 17))
    assert np.isfinite(numbers["models"][0]["nme"])
