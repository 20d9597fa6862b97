"""Training crops and the evaluation of the score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import transform
from fkd_infer.types import Prediction
from fkd_train.checkpoints import load_checkpoint
from fkd_train.config.landmarks import (
    CropConfig,
    LandmarkRecipe,
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
)
from fkd_train.config.sections import AugmentConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import RecipeError
from fkd_train.evaluation.presence import PICTURES, WINDOWS, measure_score
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.training.run import train

SIZE = 64
CROP = CropConfig(scale=1.25)


@pytest.fixture
def scored(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """A recipe of a small fkdnet with a score, without weight decay."""
    trunk = {"stem": 8, "widths": [8, 16], "depths": [1, 1]}
    table = landmark_recipe_to_dict(tiny)
    table["model"] = {"name": "fkdnet", "size": SIZE, "trunk": trunk, "head": "grid", "score": True}
    table["augment"] = {"unframed": 0.3}
    return landmark_recipe_from_dict(table)


@pytest.fixture
def sampler(scored: LandmarkRecipe) -> CropSampler:
    return CropSampler.of(scored)


def face_in_a_corner(seed: int) -> tuple[Pixels, np.ndarray]:
    """A drawn face in the corner of a larger gray image, with space for backgrounds."""
    image, points = draw_face(120, np.random.default_rng(seed))
    canvas = np.full((300, 300), 90, np.uint8)
    canvas[20:140, 30:150] = image
    return canvas, points + np.array([30, 20], np.float32)


@pytest.mark.parametrize("seed", range(30))
def test_background_crops_contain_little_of_the_face(sampler: CropSampler, seed: int) -> None:
    image, points = face_in_a_corner(seed)
    matrix = sampler.background_matrix(image, points, np.random.default_rng(seed))
    assert matrix is not None
    points_crop = transform(points, matrix)
    inside = ((points_crop > 0) & (points_crop < SIZE - 1)).all(axis=1)
    assert inside.mean() < 0.35


def test_there_is_no_background_if_the_face_fills_the_image(sampler: CropSampler) -> None:
    image, points = draw_face(120, np.random.default_rng(0))
    low, high = np.split(points_box(points).astype(int), 2)
    filled = image[low[1] : high[1], low[0] : high[0]]
    assert sampler.background_matrix(filled, points - low, np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(30))
def test_badly_framed_faces_differ_from_the_rule(sampler: CropSampler, seed: int) -> None:
    _, points = face_in_a_corner(seed)
    points_crop = transform(points, sampler.misframed_matrix(points, np.random.default_rng(seed)))
    box = points_box(points_crop)
    offset = np.linalg.norm((box[:2] + box[2:]) / 2 - SIZE / 2) / SIZE
    share = (box[2:] - box[:2]).max() / SIZE * 1.25
    chin, brows = points_crop[8], points_crop[[19, 24]].mean(axis=0)
    upside_down = chin[1] < brows[1] + 0.35 * np.linalg.norm(chin - brows)
    assert offset > 0.35 or share < 0.6 or share > 1.7 or upside_down


def test_unframed_crops_have_the_shape_of_crops(sampler: CropSampler) -> None:
    image, points = face_in_a_corner(0)
    all_changes = AugmentConfig(unframed=1, light=1, lamp=1, jpeg=1, blur=1, noise=1)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pixels = sampler.unframed(image, points, all_changes, rng)
        assert pixels.shape == (SIZE, SIZE, 1)
        assert pixels.dtype == np.uint8


def test_unframed_crops_do_not_train_the_points(
    scored: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    table = landmark_recipe_to_dict(scored)
    table["augment"] = {"unframed": 1.0}
    recipe = landmark_recipe_from_dict(table)
    train(recipe, drawn_data, tmp_path / "run", workers=0)
    after = load_checkpoint(tmp_path / "run" / "last.pt")["network"]
    torch.manual_seed(recipe.seed)
    before = build_landmark_net(recipe.model.spec(68)).state_dict()
    assert torch.equal(before["body.head.votes.weight"], after["body.head.votes.weight"])
    assert not torch.equal(before["body.score.weight"], after["body.score.weight"])


def test_a_score_needs_unframed_crops(scored: LandmarkRecipe) -> None:
    table = landmark_recipe_to_dict(scored)
    table["augment"] = {}
    with pytest.raises(RecipeError, match=r"augment\.unframed"):
        landmark_recipe_from_dict(table)


def test_the_report_counts_accepted_and_rejected_crops(sampler: CropSampler) -> None:
    """A network whose score is the share of light pixels."""
    pytest.importorskip("skimage", reason="needs the demo extra's photos")
    images, points = zip(*(face_in_a_corner(seed) for seed in range(6)), strict=True)
    faces = Faces(tuple("abcdef"), images, np.stack(points))

    def predict(crops: Pixels) -> Prediction:
        count = len(crops)
        share = (crops.reshape(count, -1) > 130).mean(axis=1, dtype=np.float32)
        return Prediction(np.zeros((count, 68, 2), np.float32), share)

    report = measure_score(predict, faces, sampler)
    assert report is not None
    assert report.faces == 6
    assert report.groups["beside the face"].auc == 1.0
    assert report.groups["beside the face"].accepted == 0
    assert report.groups["photos without a face"].count == len(PICTURES) * WINDOWS
    assert 0 < report.auc < 1
    again = measure_score(predict, faces, sampler)
    assert again == report


def test_there_is_no_report_without_a_score(sampler: CropSampler) -> None:
    image, points = face_in_a_corner(0)

    def without_score(crops: Pixels) -> Prediction:
        return Prediction(np.zeros((len(crops), 68, 2), np.float32), None)

    assert measure_score(without_score, Faces(("a",), (image,), points[None]), sampler) is None
