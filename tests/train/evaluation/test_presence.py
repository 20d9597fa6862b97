"""The score: what it is taught on, and how it is judged."""

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
from fkd_train.evaluation.presence import PHOTOS, WINDOWS, measure_score
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.training.run import train

SIZE = 64
CROP = CropConfig(scale=1.25)


@pytest.fixture
def scored(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """A small fkdnet with a score, whose weights do not decay."""
    trunk = {"stem": 8, "widths": [8, 16], "depths": [1, 1]}
    table = landmark_recipe_to_dict(tiny)
    table["model"] = {"name": "fkdnet", "size": SIZE, "trunk": trunk, "head": "grid", "score": True}
    table["augment"] = {"unframed": 0.3}
    return landmark_recipe_from_dict(table)


@pytest.fixture
def sampler(scored: LandmarkRecipe) -> CropSampler:
    return CropSampler.of(scored)


def face_in_a_room(seed: int) -> tuple[Pixels, np.ndarray]:
    """A drawn face in a corner of a larger gray image, so that there is room beside it."""
    image, points = draw_face(120, np.random.default_rng(seed))
    room = np.full((300, 300), 90, np.uint8)
    room[20:140, 30:150] = image
    return room, points + np.array([30, 20], np.float32)


@pytest.mark.parametrize("seed", range(30))
def test_a_background_crop_has_next_to_nothing_of_the_face(sampler: CropSampler, seed: int) -> None:
    image, points = face_in_a_room(seed)
    matrix = sampler.background_matrix(image, points, np.random.default_rng(seed))
    assert matrix is not None
    found = transform(points, matrix)
    inside = ((found > 0) & (found < SIZE - 1)).all(axis=1)
    assert inside.mean() < 0.35


def test_a_face_that_fills_its_image_has_no_background(sampler: CropSampler) -> None:
    image, points = draw_face(120, np.random.default_rng(0))
    low, high = np.split(points_box(points).astype(int), 2)
    filled = image[low[1] : high[1], low[0] : high[0]]
    assert sampler.background_matrix(filled, points - low, np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(30))
def test_a_badly_framed_face_is_far_from_the_rule(sampler: CropSampler, seed: int) -> None:
    _, points = face_in_a_room(seed)
    found = transform(points, sampler.misframed_matrix(points, np.random.default_rng(seed)))
    box = points_box(found)
    off = np.linalg.norm((box[:2] + box[2:]) / 2 - SIZE / 2) / SIZE
    share = (box[2:] - box[:2]).max() / SIZE * 1.25
    chin, brows = found[8], found[[19, 24]].mean(axis=0)
    upside_down = chin[1] < brows[1] + 0.35 * np.linalg.norm(chin - brows)
    assert off > 0.35 or share < 0.6 or share > 1.7 or upside_down


def test_a_crop_without_a_face_is_a_crop(sampler: CropSampler) -> None:
    image, points = face_in_a_room(0)
    every = AugmentConfig(unframed=1, light=1, lamp=1, jpeg=1, blur=1, noise=1)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pixels = sampler.unframed(image, points, every, rng)
        assert pixels.shape == (SIZE, SIZE, 1)
        assert pixels.dtype == np.uint8


def test_crops_without_a_face_teach_no_points(
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


def test_a_score_and_what_teaches_it_come_together(scored: LandmarkRecipe) -> None:
    table = landmark_recipe_to_dict(scored)
    table["augment"] = {}
    with pytest.raises(RecipeError, match=r"augment\.unframed"):
        landmark_recipe_from_dict(table)


def test_the_report_counts_what_passes_and_what_is_lost(sampler: CropSampler) -> None:
    """A network that takes for a face what has the drawn face's dark lines on light skin."""
    pytest.importorskip("skimage", reason="needs the demo extra's photos")
    images, points = zip(*(face_in_a_room(seed) for seed in range(6)), strict=True)
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
    assert report.groups["photos without a face"].count == len(PHOTOS) * WINDOWS
    assert 0 < report.auc < 1
    again = measure_score(predict, faces, sampler)
    assert again == report


def test_a_network_without_a_score_has_no_report(sampler: CropSampler) -> None:
    image, points = face_in_a_room(0)

    def silent(crops: Pixels) -> Prediction:
        return Prediction(np.zeros((len(crops), 68, 2), np.float32), None)

    assert measure_score(silent, Faces(("a",), (image,), points[None]), sampler) is None
