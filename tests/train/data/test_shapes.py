from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.transforms import similarity, transform
from fkd_train.data.shapes import distances_from, mean_shape, with_filled_gaps
from fkd_train.data.synthetic import face_shape


@pytest.fixture
def faces() -> Floats:
    """Twenty faces (20, 68, 2) of nearly the same shape, in any place, size and tilt."""
    rng = np.random.default_rng(0)
    poses = [
        similarity(rng.uniform(-1, 1, 2), 1, int(rng.integers(50, 200)), rng.normal())
        for _ in range(20)
    ]
    shapes = [face_shape() + rng.normal(0, 0.002, (68, 2)) for _ in poses]
    pairs = zip(shapes, poses, strict=True)
    return np.stack([transform(shape.astype(np.float32), pose) for shape, pose in pairs])


def eye_distances(faces: Floats) -> Floats:
    distances: Floats = np.linalg.norm(faces[:, 36] - faces[:, 45], axis=1)
    return distances


def test_the_mean_shape_does_not_depend_on_place_size_and_tilt(faces: Floats) -> None:
    assert distances_from(mean_shape(faces), faces).max() < 0.1


def test_complete_faces_stay_as_they_are(faces: Floats) -> None:
    assert with_filled_gaps(faces) is faces


@pytest.mark.parametrize("complete", [0, 1, 10])
def test_gaps_are_filled_where_the_other_faces_have_these_points(
    faces: Floats, complete: int
) -> None:
    """Even if no face is complete."""
    given = faces.copy()
    for row in range(complete, len(faces)):
        given[row, np.random.default_rng(row).permutation(68)[:40]] = np.nan
    filled = with_filled_gaps(given)
    assert filled.dtype == np.float32
    known = np.isfinite(given).all(axis=2)
    np.testing.assert_array_equal(filled[known], faces[known])
    off = np.linalg.norm(filled - faces, axis=2).max(axis=1) / eye_distances(faces)
    assert off.max() < 0.05


def test_two_points_are_enough(faces: Floats) -> None:
    given = faces.copy()
    given[0, [i for i in range(68) if i not in (36, 45)]] = np.nan
    off = np.linalg.norm(with_filled_gaps(given)[0] - faces[0], axis=1)
    assert off.max() < 0.05 * eye_distances(faces)[0]


def test_a_point_that_no_face_has_lies_within_the_face(faces: Floats) -> None:
    given = faces.copy()
    given[:, 8] = np.nan
    place = with_filled_gaps(given)[:, 8]
    assert np.isfinite(place).all()
    assert (np.abs(place - faces.mean(axis=1)) < np.ptp(faces, axis=1) / 4).all()
