"""Perturbations, and errors in the original images under them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Prediction
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import read_faces
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.predict import Predict
from fkd_train.evaluation.robustness import (
    PERTURBATIONS,
    Perturbation,
    View,
    evaluate_perturbed,
    robustness,
    shrunk,
)

SAMPLER = CropSampler(64, 1, CropConfig(scale=1.25, shift=(0.02, -0.06)), IBUG68)
RULE = SAMPLER.config.rule()


@pytest.fixture(scope="module")
def faces(drawn_data: Path) -> Faces:
    return read_faces(drawn_data, "test")


def view_of(name: str, faces: Faces, row: int = 0, seed: int = 0) -> View:
    return perturbed(PERTURBATIONS[name], faces, row, seed)


def perturbed(perturbation: Perturbation, faces: Faces, row: int = 0, seed: int = 0) -> View:
    box = points_box(faces.points[row])
    centre, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    return perturbation(
        faces.images[row], centre.astype(np.float32), side, np.random.default_rng(seed)
    )


def in_crop(view: View, points: Floats) -> Floats:
    """Maps points of the original image to a view's crop."""
    in_view = transform(points, invert(view.to_original[None])[0])
    return transform(in_view, view.matrix(RULE, SAMPLER.size))


def predict_true_points(true_points: list[Floats]) -> Predict:
    """A network that predicts the true points, face by face."""
    remaining = iter(true_points)

    def predict(crops: Pixels) -> Prediction:
        return Prediction(np.stack([next(remaining) for _ in crops]), None)

    return predict


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perfect_network_has_no_error_under_perturbations(faces: Faces, name: str) -> None:
    true_points: list[Floats] = []

    def recording(image: Pixels, centre: Floats, side: float, rng: np.random.Generator) -> View:
        view = PERTURBATIONS[name](image, centre, side, rng)
        true_points.append(in_crop(view, faces.points[len(true_points)]))
        return view

    result = evaluate_perturbed(predict_true_points(true_points), faces, SAMPLER, recording)
    np.testing.assert_allclose(result.points, faces.points, atol=1e-3)
    assert result.accuracy.nme == pytest.approx(0, abs=1e-3)


def test_clean_crops_equal_those_of_the_evaluation(faces: Faces) -> None:
    view = view_of("clean", faces)
    np.testing.assert_allclose(
        view.matrix(RULE, SAMPLER.size), SAMPLER.matrix(faces.images[0], faces.points[0]), atol=1e-4
    )


def test_shifted_boxes_move_by_a_tenth_in_all_directions(faces: Faces) -> None:
    side = view_of("clean", faces).side
    offsets = [
        view_of("box shifted by 10 %", faces, seed=seed).centre - view_of("clean", faces).centre
        for seed in range(20)
    ]
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), 0.1 * side, rtol=1e-3)
    assert (np.min(offsets, axis=0) < 0).all()
    assert (np.max(offsets, axis=0) > 0).all()


@pytest.mark.parametrize(("name", "factor"), [("box × 0.8", 0.8), ("box × 1.25", 1.25)])
def test_scaled_boxes_change_the_size_of_the_face(faces: Faces, name: str, factor: float) -> None:
    clean, changed = (
        np.ptp(in_crop(view_of(n, faces), faces.points[0]), axis=0) for n in ("clean", name)
    )
    np.testing.assert_allclose(changed, clean / factor, rtol=1e-4)


@pytest.mark.parametrize("degrees", [15, 30, 45])
def test_tilted_faces_rotate_about_the_centre_of_their_box(faces: Faces, degrees: int) -> None:
    clean = view_of("clean", faces)
    middle = clean.centre[None]
    angles = set()
    for seed in range(10):
        view = view_of(f"tilted by {degrees}°", faces, seed=seed)
        np.testing.assert_allclose(in_crop(view, middle), in_crop(clean, middle), atol=1e-3)
        before, after = (
            in_crop(v, faces.points[0])[45] - in_crop(v, faces.points[0])[36] for v in (clean, view)
        )
        angle = np.degrees(np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0]))
        angles.add(round(float(angle)))
    assert angles == {-degrees, degrees}


def test_a_positive_tilt_is_clockwise_on_screen(faces: Faces) -> None:
    view = replace(view_of("clean", faces), tilt=np.radians(10))
    left, right = in_crop(view, view.centre + np.array([[-5, 0], [5, 0]], np.float32))
    assert right[1] > left[1]


def test_shrinks_faces_to_a_size_but_not_smaller_ones(faces: Faces) -> None:
    view = view_of("shrunk to 24 px", faces)
    in_view = transform(faces.points[0], invert(view.to_original[None])[0])
    assert np.ptp(in_view, axis=0).max() == pytest.approx(24, rel=0.02)
    assert view.side == pytest.approx(24)
    unchanged = perturbed(
        lambda image, centre, side, rng: shrunk(image, centre, side, rng, pixels=2 * side), faces
    )
    np.testing.assert_array_equal(unchanged.image, faces.images[0])
    np.testing.assert_array_equal(unchanged.to_original, np.eye(2, 3))


def test_darkens_blurs_and_compresses_images(faces: Faces) -> None:
    image = faces.images[0]
    assert view_of("darkened to a quarter", faces).image.mean() == pytest.approx(
        image.mean() / 4, rel=0.01
    )
    steps = np.abs(np.diff(image.astype(int))).mean()
    assert np.abs(np.diff(view_of("blurred by 2 %", faces).image.astype(int))).mean() < 0.7 * steps
    difference = np.abs(view_of("JPEG quality 20", faces).image.astype(int) - image).mean()
    assert 0.5 < difference < 10
    for name in PERTURBATIONS:
        assert view_of(name, faces).image.dtype == np.uint8


def test_ratios_are_relative_to_clean_faces_and_repeatable(faces: Faces) -> None:
    def middle(crops: Pixels) -> Prediction:
        return Prediction(np.full((len(crops), 68, 2), 31.5, np.float32), None)

    rows = robustness(middle, faces, SAMPLER)
    assert [row.perturbation for row in rows] == list(PERTURBATIONS)
    assert rows[0].nme == pytest.approx(evaluate(middle, faces, SAMPLER).accuracy.nme, rel=1e-4)
    for row in rows:
        assert row.ratio == row.nme / rows[0].nme
    assert robustness(middle, faces, SAMPLER) == rows
    backwards = faces.rows(range(len(faces))[::-1])
    again = [row.nme for row in robustness(middle, backwards, SAMPLER)]
    np.testing.assert_allclose(again, [row.nme for row in rows], rtol=1e-5)


def test_a_face_tilts_to_the_same_side_at_every_angle(faces: Faces) -> None:
    for seed in range(5):
        tilts = [view_of(f"tilted by {d}°", faces, seed=seed).tilt for d in (15, 30, 45)]
        assert len(set(np.sign(tilts))) == 1
