"""Head pose of the 3D model, projected with known rotations."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.landmarks.head_pose import PoseAngles, camera_head, head_pose
from fkd_infer.landmarks.schemes import IBUG68

WIDTH, HEIGHT = 640, 360
CENTRED = (0.0, 0.0, 6.0)


def about(axis: int, degrees: float) -> NDArray[np.float64]:
    """The rotation about one of the camera's axes, by the right-hand rule."""
    vector = np.zeros(3)
    vector[axis] = np.radians(degrees)
    return np.asarray(cv2.Rodrigues(vector)[0], np.float64)


def seen(pose: PoseAngles, place: tuple[float, float, float] = CENTRED) -> NDArray[np.float32]:
    """Points of the head in front of the camera, by pinhole projection."""
    turn = about(2, pose.roll) @ about(1, -pose.yaw) @ about(0, -pose.pitch)
    head = camera_head() @ turn.T + place
    centre = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    return (head[:, :2] / head[:, 2:] * WIDTH + centre).astype(np.float32)


@pytest.mark.parametrize(
    "pose",
    [PoseAngles(*angles) for angles in itertools.product((-50, 0, 35), (-30, 0, 20), (-70, 0, 15))],
)
@pytest.mark.parametrize("place", [CENTRED, (1.0, -0.6, 4.0), (-4.0, 1.0, 20.0)])
def test_known_rotations_are_recovered(pose: PoseAngles, place: tuple[float, float, float]) -> None:
    found = head_pose(seen(pose, place), WIDTH, HEIGHT)
    assert found is not None
    np.testing.assert_allclose(found, pose, atol=0.5)


def test_annotation_noise_changes_angles_by_a_few_degrees() -> None:
    rng = np.random.default_rng(0)
    pose = PoseAngles(20.0, -10.0, 5.0)
    points = seen(pose)
    between = np.linalg.norm(points[45] - points[36])
    noisy = (points + rng.normal(0, 0.02 * between, points.shape)).astype(np.float32)
    np.testing.assert_allclose(head_pose(noisy, WIDTH, HEIGHT) or (), pose, atol=3)


def test_roll_is_the_tilt_in_the_picture() -> None:
    level = seen(PoseAngles(0, 0, 0))
    clockwise = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), -25, 1)
    tilted = (level @ clockwise[:, :2].T + clockwise[:, 2]).astype(np.float32)
    across = tilted[45] - tilted[36]
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(25, abs=0.01)
    found = head_pose(tilted, WIDTH, HEIGHT)
    assert found is not None
    assert found.roll == pytest.approx(25, abs=0.5)


def test_signs_follow_the_nose() -> None:
    level = seen(PoseAngles(0, 0, 0))
    right, up = seen(PoseAngles(30, 0, 0)), seen(PoseAngles(0, 30, 0))
    assert right[30, 0] - right[27, 0] > level[30, 0] - level[27, 0] + 5
    assert up[30, 1] - up[27, 1] < level[30, 1] - level[27, 1] - 5


def test_a_mirrored_face_is_turned_the_other_way() -> None:
    points = seen(PoseAngles(25, 10, 12))
    mirrored = (points * (-1, 1) + (WIDTH - 1, 0)).astype(np.float32)[IBUG68.flip_permutation]
    np.testing.assert_allclose(head_pose(mirrored, WIDTH, HEIGHT) or (), (-25, 10, -12), atol=0.5)


def test_the_median_annotated_face_looks_straight_ahead() -> None:
    """Bridge, nose and chin are in the middle, the eyes are level, and nothing is mirrored."""
    head = camera_head()
    np.testing.assert_allclose(head[[27, 30, 8], 0], 0, atol=1e-6)
    assert head[30, 2] < head[27, 2] < head[0, 2]
    assert head[36, 0] < 0 < head[45, 0]
    assert head[45, 0] - head[36, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    "points",
    [
        np.full((68, 2), 7, np.float32),
        np.full((68, 2), np.nan, np.float32),
        np.outer(np.arange(68), [1, 2]).astype(np.float32),
    ],
)
def test_points_of_no_head_have_no_pose(points: NDArray[np.float32]) -> None:
    assert head_pose(points, WIDTH, HEIGHT) is None
