"""The benchmark of motion blur: clips show a face where they say that it is."""

from __future__ import annotations

from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

import fkd_infer
from benchmarks.faces.motion import HEIGHT, WIDTH
from benchmarks.faces.swiped_face import REST, SWIPE, Cutout, End, Swipe, SwipedFace, widened
from benchmarks.faces.swipes import Counts, clip_of, count_faces
from benchmarks.faces.tracking import sample_photos
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.types import Frame

PHOTO = np.full((200, 200, 3), 40, np.uint8)
cv2.circle(PHOTO, (100, 100), 40, (240, 240, 240), -1)
TURN = np.linspace(0, 2 * np.pi, 68)
POINTS = np.float32(40) * np.stack([np.cos(TURN), np.sin(TURN)], axis=1).astype(np.float32) + 100
GRAY = np.full((90, 160, 3), 40, np.uint8)


def clip(swipe: Swipe) -> SwipedFace:
    face = Cutout.of(PHOTO, POINTS, 120)
    return SwipedFace(face, widened(GRAY), widened(GRAY), swipe, seed=1)


def middle(image: Pixels) -> Floats:
    """The centroid of what is brighter than the backdrop."""
    light = np.maximum(image[..., 0].astype(np.float32) - 70, 0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    total = light.sum()
    return np.array([(light * x).sum() / total, (light * y).sum() / total], np.float32)


@pytest.mark.parametrize("camera", [False, True])
def test_the_face_is_where_its_points_are(camera: bool) -> None:
    swiped = clip(Swipe(60, 0.3, camera))
    frames = list(islice(swiped, REST - 1, REST + SWIPE + 1))
    places = [swiped.points(frame.index) for frame in frames]
    for frame, points in zip(frames, places, strict=True):
        assert points is not None
        np.testing.assert_allclose(middle(frame.image), points.mean(axis=0), atol=2)
    steps = [
        np.ptp([p.mean(axis=0) for p in pair if p is not None], axis=0) for pair in pairwise(places)
    ]
    assert max(np.linalg.norm(step) for step in steps) == pytest.approx(60, abs=2)


def test_a_moving_face_is_blurred_along_its_way() -> None:
    rests, moves = (_shape(frame) for frame in islice(clip(Swipe(60)), REST - 5, REST + 4, 8))
    assert rests[0] == pytest.approx(120, abs=6)
    assert moves[0] == pytest.approx(120 + 60, abs=20)
    assert moves[1] == pytest.approx(120, abs=6)


def _shape(frame: Frame) -> tuple[int, int]:
    """Width and height of what is brighter than the backdrop."""
    light = cv2.blur(frame.image[..., 0], (3, 3)) > 60
    return int(light.any(axis=0).sum()), int(light.any(axis=1).sum())


@pytest.mark.parametrize("end", ["leaves", "covered", "cut"])
def test_a_face_that_does_not_stay_is_gone_in_the_end(end: End) -> None:
    swiped = clip(Swipe(60, end=end))
    there = [swiped.points(index) is not None for index in range(swiped.frames)]
    assert all(there[: REST + 2])
    assert not any(there[REST + 30 :])
    assert sorted(there, reverse=True) == there, "it does not return"


@pytest.mark.slow
def test_counts_a_face_that_stays() -> None:
    pipeline = fkd_infer.load(provider="cpu")
    counts = Counts()
    (portrait,) = sample_photos(pipeline, None)
    swiped = clip_of(portrait, 150, Swipe(20), seed=0)
    count_faces(pipeline, pipeline.detector, swiped, counts)
    assert (counts.clips, counts.frames, counts.ids) == (1, swiped.frames, 1)
    assert (counts.missing, counts.false, counts.late) == (0, 0, 0)
    assert len(counts.seen_errors) + len(counts.predicted_errors) == 2 * SWIPE
    assert np.median(counts.seen_errors) < 5
