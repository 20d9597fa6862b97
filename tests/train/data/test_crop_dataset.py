from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.config.landmarks import CropConfig
from fkd_train.config.sections import AugmentConfig, DataConfig
from fkd_train.data.crop_dataset import CropDataset
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.draws import FaceDraws
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face

SAMPLER = CropSampler(64, 1, CropConfig(scale=1.25), IBUG68)


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Two drawn faces; the right brow of the second one is not labelled."""
    rng = np.random.default_rng(0)
    images, points = zip(*[draw_face(100, rng) for _ in range(2)], strict=True)
    points[1][17:22] = np.nan
    given = Faces.with_gaps(("a", "b"), images, points, IBUG68, ())
    return given.of_set("drawn")


def samples(faces: Faces, augment: AugmentConfig) -> CropDataset:
    draws = FaceDraws.of(faces, [DataConfig("drawn")])
    return CropDataset(faces, draws, ("drawn",), SAMPLER, augment, seed=0)


def test_points_without_a_label_have_no_weight(faces: Faces) -> None:
    plain = samples(faces, AugmentConfig())
    assert plain[0, 0][2].tolist() == [1] * 68
    weights = plain[0, 1][2]
    assert np.flatnonzero(weights.numpy() == 0).tolist() == [17, 18, 19, 20, 21]
    assert torch.isfinite(plain[0, 1][1]).all()


def test_weights_change_sides_in_a_mirrored_crop(faces: Faces) -> None:
    _, _, weights, _, _, mirrored = samples(faces, AugmentConfig(flip=1.0))[0, 1]
    assert mirrored == 1
    assert np.flatnonzero(weights.numpy() == 0).tolist() == [22, 23, 24, 25, 26]


def test_crops_without_a_face_have_no_weights(faces: Faces) -> None:
    _, points, weights, presence, _, _ = samples(faces, AugmentConfig(unframed=1.0))[0, 0]
    assert points.shape == (68, 2)
    assert weights.tolist() == [0] * 68
    assert presence == 0


def test_faces_keep_their_labels_when_they_are_joined_and_chosen(faces: Faces) -> None:
    complete = replace(faces, labelled=None)
    both = Faces.joined([complete, faces])
    assert both.labels.sum(axis=1).tolist() == [68, 68, 68, 63]
    assert both.rows([3]).labels.sum() == 63
    assert both.fully_labelled().names == ("a", "b", "a")
    assert Faces.joined([complete, complete]).labelled is None
    assert np.isnan(both.labelled_points).any(axis=2).sum() == 5
