"""Dividing an evaluation by data set, source and turn of the head."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import face_shape
from fkd_train.evaluation.accuracy import Evaluation
from fkd_train.evaluation.breakdown import breakdown
from fkd_train.evaluation.metrics import opening_errors


def evaluation() -> Evaluation:
    """Four faces, the last two turned, with errors of 1, 2, 3 and 4 px in x."""
    true = np.repeat(face_shape()[None] * 100 + 100, 4, axis=0)
    true[2:, 30, 0] += 20
    names = ("a.jpg", "helen/b.jpg", "helen/c.jpg", "afw/d.jpg")
    images = (np.zeros((200, 200), np.uint8),) * 4
    faces = Faces(names, images, true, sets=("videos", "photos", "photos", "photos"))
    errors = np.zeros_like(true)
    errors[..., 0] = np.arange(1, 5)[:, None]
    return Evaluation.of(true + errors, faces)


def test_faces_are_divided_in_three_ways() -> None:
    measured = evaluation()
    distance = float(np.linalg.norm(measured.faces.points[0, 36] - measured.faces.points[0, 45]))
    parts = {part.name: part for part in breakdown(measured)}
    assert {name: part.count for name, part in parts.items()} == {
        "videos": 1,
        "photos": 3,
        "photos: afw": 1,
        "photos: helen": 2,
        "yaw 0 to 15°": 2,
        "yaw 30 to 60°": 2,
    }
    assert parts["photos"].nme == pytest.approx(100 * 3 / distance, rel=1e-4)
    assert parts["photos: helen"].nme == pytest.approx(100 * 2.5 / distance, rel=1e-4)


def test_eyelids_and_lips_are_measured_in_their_own_width() -> None:
    true = face_shape()[None] * 100
    moved = true.copy()
    moved[:, 37] += (3.6, 0)  # a lid, by a fifth of the eye's width
    moved[:, 36] += (50, 0)  # a corner, which does not count
    moved[:, 62] += (0, 5.6)  # a lip, by a fifth of the mouth's width
    errors = opening_errors(moved, true)
    assert errors["eyelids"] == pytest.approx(20 / 8, rel=1e-3)
    assert errors["inner lips"] == pytest.approx(20 / 6, rel=1e-3)
