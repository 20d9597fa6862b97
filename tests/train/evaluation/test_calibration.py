"""Fitted rules and logistic curves against known ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_models import FIVE, five_points, needs_haar

from fkd_infer.detection.haar import HaarDetector
from fkd_infer.geometry.boxes import apply_rule, points_box, square_boxes
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import is_face
from fkd_train.evaluation.calibration import fit_logistic, fit_rule, main, scheme_rules


def test_fits_the_rule_that_generated_the_boxes() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(50, 500, (300, 2)).astype(np.float32)
    sides = rng.uniform(30, 200, 300).astype(np.float32)
    boxes = square_boxes(centres, sides)
    rule = BoxRule(0.8, (0.02, 0.15))
    tight = square_boxes(*apply_rule(boxes, rule))
    corners = tight.reshape(-1, 2, 2)  # two points with this tight box
    np.testing.assert_allclose(points_box(corners), tight)
    fitted = fit_rule(boxes, corners)
    assert fitted.scale == pytest.approx(0.8, abs=1e-3)
    assert fitted.shift == pytest.approx((0.02, 0.15), abs=1e-3)


def test_fits_the_logistic_curve_that_generated_the_truths() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-4, 6, 40_000)
    truths = rng.random(len(values)) < 1 / (1 + np.exp(-(0.9 * values + 0.4)))
    assert fit_logistic(values, truths) == pytest.approx((0.9, 0.4), abs=0.08)


@needs_haar
def test_fits_a_rule_from_haars_boxes_to_custom_points(data_folder: Path) -> None:
    """Eyes, tip of the nose and mouth corners of real faces span a smaller box than all points."""
    faces = read_faces(data_folder, "test").only(lambda name: name.startswith(("A", "B")))
    points = np.stack([five_points(each) for each in faces.points])
    five = replace(faces, points=points, scheme=FIVE)
    rules = scheme_rules(five)
    assert set(rules) == {"fkd", "haar"}
    rule = rules["haar"]
    assert 0.3 < rule.scale < 0.6
    detector, errors = HaarDetector(rule=rule), []
    for image, true_points in zip(five.images, five.points, strict=True):
        boxes = detector(np.dstack([image] * 3)).boxes
        hits = boxes[is_face(boxes, true_points, smallest=0.15)]
        if len(hits):
            centre, side = apply_rule(hits[:1], rule)
            true_centre, true_side = apply_rule(points_box(true_points)[None], POINTS_BOX)
            errors.append(np.linalg.norm(centre - true_centre) / true_side[0])
            assert side[0] == pytest.approx(true_side[0], rel=0.5)
    assert np.mean(errors) < 0.15


def test_fits_no_rule_without_detections() -> None:
    blank = np.full((90, 90), 127, np.uint8)
    points = np.tile(
        np.array([[30, 30], [60, 30], [45, 45], [35, 60], [55, 60]], np.float32), (12, 1, 1)
    )
    assert scheme_rules(Faces(("a",) * 12, (blank,) * 12, points, FIVE)) == {}


def test_the_command_reports_a_bad_data_set(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "or data of another format (300w, wflw, coco, npz), with --data" in result.stderr
