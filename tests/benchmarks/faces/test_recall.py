"""Counting found and false faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.faces.non_faces import NON_FACES
from benchmarks.faces.recall import _match_faces, find_annotated, turned_photos
from fkd_infer.detection.whole_image import WholeImageDetector
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.rules import POINTS_BOX, CropRule
from fkd_infer.types import Face
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import face_shape


def photos(height: int = 120, width: int = 200) -> Faces:
    points = np.rint(face_shape() * 60 + np.array([130, 50])).astype(np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    x, y = np.rint(points).astype(int).T
    image[y, x] = 255
    return Faces(("photo",), (image,), points[None])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_points_turn_with_their_photos(turns: int) -> None:
    turned = turned_photos(photos(), turns)
    assert turned.images[0].shape[:2] == ((120, 200) if turns == 2 else (200, 120))
    x, y = np.rint(turned.points[0]).astype(int).T
    assert (turned.images[0][y, x] == 255).all()


@pytest.mark.parametrize(("shift", "is_found"), [(0, True), (3, True), (20, False)])
def test_a_face_is_found_if_its_points_are_near(shift: float, is_found: bool) -> None:
    shown = photos()

    def pipeline(_: Pixels) -> list[Face]:
        box = np.array([0, 0, 9, 9], np.float32)
        return [Face(shown.points[0] + 90, box), Face(shown.points[0] + shift, box)]

    (result,) = find_annotated(pipeline, shown)  # type: ignore[arg-type]
    assert result.match == (1 if is_found else None)
    assert len(result.faces) == 2


def test_no_face_at_all_is_not_found() -> None:
    (result,) = find_annotated(lambda _: [], photos())  # type: ignore[arg-type]
    assert result.match is None
    assert result.error == np.inf


@pytest.mark.parametrize("kind", ["digits and text", "blurred textures"])
def test_pictures_without_faces_are_always_the_same(kind: str, tmp_path: Path) -> None:
    first, second = (next(NON_FACES[kind]()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint8
    assert first.std() > 5


def test_counts_what_the_whole_pipeline_finds_on_held_out_faces() -> None:
    shown = photos()
    truth = points_box(shown.points)[0]

    class Finds:
        detector = WholeImageDetector(CropRule(1.0))

        def __init__(self, *boxes: Floats) -> None:
            self.boxes = boxes

        def __call__(self, _: Pixels) -> list[Face]:
            return [Face(shown.points[0], box) for box in self.boxes]

    Finds.detector.rule = POINTS_BOX
    for boxes, found, false in (((truth,), 100, 0), ((truth, truth + 99), 100, 1), ((), 0, 0)):
        figures = _match_faces(Finds(*boxes), shown)  # type: ignore[arg-type]
        assert (figures["found"].value, figures["false faces"].value) == (found, false)
