"""Evaluations of landmark networks against their definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from repo_paths import SHIPPED_MODELS
from tiny_models import needs_haar

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.haar import HaarDetector
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.geometry.transforms import transform
from fkd_infer.landmarks.aspect_ratios import aspect_ratios
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler, window_matrix
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.accuracy import (
    best_box,
    evaluate,
    evaluate_detected,
    evaluation_crops,
    is_face,
    seed_mse,
)
from fkd_train.evaluation.predict import open_model
from fkd_train.evaluation.presence import measure_score

SAMPLER = CropSampler(64, 1, CropConfig(scale=1.25), IBUG68)


@pytest.fixture(scope="module")
def faces(drawn_data: Path) -> Faces:
    return read_faces(drawn_data, "test")


def test_a_perfect_network_has_no_error(faces: Faces) -> None:
    crops, matrices = evaluation_crops(faces, SAMPLER)
    pairs = zip(crops, transform(faces.points, matrices), strict=True)
    points_of = {crop.tobytes(): points for crop, points in pairs}

    def perfect(batch: Pixels) -> Prediction:
        return Prediction(np.stack([points_of[crop.tobytes()] for crop in batch]), None)

    result = evaluate(perfect, faces, SAMPLER, 4)
    assert result.accuracy.nme == pytest.approx(0, abs=1e-4)
    assert result.seed_mse == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(result.points, faces.points, atol=1e-3)


def test_the_seed_mse_is_in_its_own_units(faces: Faces) -> None:
    """Ten pixels off in the resized window is (10 / 50)² in one coordinate, half over both."""
    scales = np.array([250 / min(image.shape) for image in faces.images], np.float32)
    offset = np.zeros_like(faces.points)
    offset[..., 0] = 10 / scales[:, None]
    assert seed_mse(faces.points + offset, faces) == pytest.approx(0.02, rel=1e-3)


def test_the_central_window_scales_with_the_networks_input() -> None:
    image = np.zeros((400, 300), np.uint8)
    full = window_matrix(image, 250, 224, 0.5, 0.5)
    half = window_matrix(image, 125, 112, 0.5, 0.5)
    middle = np.array([[[150.0, 200.0]]])
    assert transform(middle, full[None])[0, 0, 0] == pytest.approx(111.5, abs=1)
    np.testing.assert_allclose(
        transform(middle, half[None]), transform(middle, full[None]) / 2, atol=1
    )


def test_is_face_compares_centre_and_size() -> None:
    points = np.array([[40, 40], [80, 40], [60, 90], [60, 70]], np.float32)
    boxes = np.array([[30, 30, 90, 95], [0, 0, 30, 30], [0, 0, 200, 200], [55, 55, 65, 65]])
    assert is_face(boxes.astype(np.float32), points).tolist() == [True, False, False, False]


def test_reports_a_detector_without_detections(faces: Faces) -> None:
    blank = replace(faces, images=tuple(np.full_like(image, 127) for image in faces.images))

    def constant(crops: Pixels) -> Prediction:
        return Prediction(np.zeros((len(crops), 68, 2), np.float32), None)

    with pytest.raises(DetectorError, match="finds none of these faces"):
        evaluate_detected(constant, blank, SAMPLER, FkdDetector(provider="cpu"))


@needs_haar
def test_haars_rule_maps_its_boxes_to_the_points_boxes(data_folder: Path) -> None:
    """The rule was fitted to training images; on test images it is off by a few percent."""
    detector = HaarDetector()
    faces = read_faces(data_folder, "test").rows(range(0, 770, 20))
    shifts, ratios = [], []
    for image, points in zip(faces.images, faces.points, strict=True):
        box = best_box(detector, image, points)
        if box is not None:
            centre, side = apply_rule(box[None], detector.rule)
            true_centre, true_side = apply_rule(points_box(points)[None], POINTS_BOX)
            shifts.append((centre - true_centre)[0] / true_side)
            ratios.append(float(np.log(side / true_side)[0]))
    assert len(shifts) > 35
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.04
    assert abs(np.mean(ratios)) < 0.04


SHIPPED_NETWORKS = ["fkdnet", "fkdnet-large", "naimishnet"]


@pytest.mark.parametrize(("name", "nme"), list(zip(SHIPPED_NETWORKS, (4.0, 3.8, 6.0), strict=True)))
def test_shipped_files_have_the_accuracy_of_their_cards(
    data_folder: Path, name: str, nme: float
) -> None:
    """On the real test faces, with the runtime's session, as their annotators place points."""
    session = LandmarkSession(SHIPPED_MODELS / f"{name}.onnx", "cpu")
    convention = "youtube-faces-68" if session.card.conventions else None
    predict, sampler = open_model(session.path, convention=convention)
    measured = evaluate(predict, read_faces(data_folder, "test"), sampler).accuracy
    assert measured.count == 770
    assert measured.nme < nme
    assert measured.nme == pytest.approx(session.card.accuracy["official split"].nme, abs=0.01)


def test_the_shipped_score_separates_faces_from_backgrounds(data_folder: Path) -> None:
    """The network has seen the official test people; docs/how-to/training.md has others'."""
    pytest.importorskip("skimage", reason="needs the demo extra's photos")
    faces = read_faces(data_folder, "test").only(lambda name: name.startswith(("A", "B")))
    predict, sampler = open_model(SHIPPED_MODELS / "fkdnet.onnx")
    report = measure_score(predict, faces, sampler)
    assert report is not None
    assert report.auc > 0.99
    assert report.rejected < 1


@pytest.mark.parametrize("name", ["fkdnet", "fkdnet-large"])
def test_eyes_that_close_are_seen_to_close(name: str) -> None:
    """Drawn faces, which no network was trained on, with eyes from open to shut."""
    predict, sampler = open_model(SHIPPED_MODELS / f"{name}.onnx")
    heights = []
    for opened in (1.0, 0.75, 0.5, 0.25, 0.0):
        drawn = [draw_face(160, np.random.default_rng(seed), opened) for seed in range(12)]
        crops = [sampler.cut(image, sampler.matrix(image, points)) for image, points in drawn]
        ratios = [aspect_ratios(points) for points in predict(np.stack(crops)).points]
        heights.append(np.median([(r.left_eye + r.right_eye) / 2 for r in ratios if r]))
    assert np.all(np.diff(heights) < 0), heights
    assert heights[-1] < 0.6 * heights[0]


@pytest.mark.parametrize("name", SHIPPED_NETWORKS)
def test_shipped_checkpoints_predict_the_points_of_the_shipped_files(
    data_folder: Path, name: str
) -> None:
    faces = read_faces(data_folder, "test").only(lambda name: name.startswith("A"))
    points = []
    for kind in ("pt", "onnx"):
        predict, sampler = open_model(SHIPPED_MODELS / f"{name}.{kind}")
        points.append(evaluate(predict, faces, sampler).points)
    np.testing.assert_allclose(points[0], points[1], atol=0.05)
