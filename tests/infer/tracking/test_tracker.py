"""Faces followed through drawn worlds, where everybody's place is known, and in a real photo."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from drawn_world import CIRCLE, GREYS, SIDE, Path, Place, centre, still, world

import fkd_infer
from fkd_infer.choices import Smoothing
from fkd_infer.detection.base import Detector
from fkd_infer.geometry.arrays import Floats, Pixels, gray_plane
from fkd_infer.geometry.boxes import apply_rule, points_box, square_boxes
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.pipeline import Pipeline, Placement
from fkd_infer.tracking.association import squares
from fkd_infer.tracking.detection_schedule import (
    MAX_INTERVAL,
    MAX_INTERVAL_CHANGING,
    MAX_INTERVAL_EMPTY,
)
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Detections, Frame, Prediction


def test_a_resting_face_is_rarely_searched_and_stays_in_place() -> None:
    here = world()
    seen = here.see([still(100, 90)], range(300))
    assert all(set(faces) == {1} for faces in seen)
    for faces in seen:
        np.testing.assert_allclose(centre(faces[1]), (99.5, 89.5), atol=1.5)
        assert faces[1].score == pytest.approx(0.9)
        assert faces[1].presence == 1
    assert here.detector.calls[:5] == [0, 2, 6, 14, 30]
    assert np.diff(here.detector.calls).max() == MAX_INTERVAL
    assert len(here.detector.calls) <= 300 / 10
    assert str(here.tracker.summary) == f"detector ran on {len(here.detector.calls)} of 300 frames"


def test_detect_every_sets_the_interval_of_searches() -> None:
    here = world(detect_every=7)
    here.see([still(100, 90)], range(30))
    assert here.detector.calls == [0, 7, 14, 21, 28]
    every = world(detect_every=1)
    assert all(set(faces) == {1} for faces in every.see([still(100, 90)], range(5)))
    assert every.detector.calls == list(range(5))
    with pytest.raises(ValueError, match="detect_every is 0"):
        world(detect_every=0)


def test_searches_are_at_most_a_second_apart_at_a_low_frame_rate() -> None:
    here = world()
    here.see([still(100, 90)], range(40), rate=5)
    assert np.diff(here.detector.calls).max() == 5


def test_a_box_is_drawn_around_the_points_as_the_detector_draws_it() -> None:
    here = world()
    for faces in here.see([still(100, 90)], range(10)):
        size = float(np.ptp(faces[1].points, axis=0).max()) / 0.8
        expected = centre(faces[1]) - (0, 0.1 * size)
        box = faces[1].box
        np.testing.assert_allclose([*(box[:2] + box[2:]) / 2], expected, atol=0.01)
        np.testing.assert_allclose(box[2:] - box[:2], size, rtol=1e-4)


def test_a_fast_face_is_followed_without_detection() -> None:
    """At 8 pixels a frame, a fifth of the face; only its speed keeps it in its box."""
    here = world(detect_every=1000)
    seen = here.see([lambda i: (40 + 8 * max(0, i - 5), 120)], range(32))
    assert here.detector.calls == [0]
    for index, faces in enumerate(seen):
        np.testing.assert_allclose(centre(faces[1])[0], 39.5 + 8 * max(0, index - 5), atol=2)


def test_two_faces_that_pass_each_other_keep_their_ids() -> None:
    """Half beside each other: boxes overlap, neither covers the other."""
    paths: list[Path] = [lambda i: (60 + 3 * i, 100), lambda i: (240 - 3 * i, 126)]
    seen = world().see(paths, range(60))
    first, second = (seen[0][n] for n in (1, 2))
    rows = {1: centre(first)[1], 2: centre(second)[1]}
    for faces in seen:
        assert set(faces) == {1, 2}
    for name, row in rows.items():
        assert abs(centre(seen[-1][name])[1] - row) < 4


def test_a_face_that_passes_behind_another_keeps_its_id() -> None:
    # At 4 pixels a frame the search that finds it again comes when it is NEAR away from where it
    # was seen last, so that a pixel decides.
    paths: list[Path] = [lambda i: (60 + 6 * i, 100), still(160, 100)]
    here = world()
    seen = here.see(paths, range(33))
    (walks,) = [n for n, face in seen[0].items() if centre(face)[0] < 100]
    stands = 3 - walks
    assert all(stands in faces for faces in seen)
    hidden = [walks not in faces or faces[walks].predicted for faces in seen]
    assert 0 < sum(hidden) < 10
    assert set(seen[-1]) == {1, 2}
    assert centre(seen[-1][walks])[0] > 200
    np.testing.assert_allclose(centre(seen[-1][stands]), (159.5, 99.5), atol=2)


@pytest.mark.parametrize("stranger", [False, True])
def test_what_the_network_sees_where_a_face_was_lost_has_to_look_like_it(stranger: bool) -> None:
    here = world()
    place, away = still(100, 90), range(10, 16)
    here.see([place], range(10), stripes=60)
    here.detector.blind = set(GREYS)
    assert here.see([gone], away, stripes=60) == [{}] * 6
    seen = here.see([gone, place] if stranger else [place], range(16, 20), stripes=60)
    assert [set(faces) for faces in seen] == [set() if stranger else {1}] * 4


@pytest.mark.parametrize(("away", "name"), [(25, 1), (40, 2)])
def test_a_face_that_is_back_within_a_second_keeps_its_id(away: int, name: int) -> None:
    here = world()
    seen = here.see([lambda i: None if 20 <= i < 20 + away else (100, 90)], range(20 + away + 10))
    assert [len(faces) for faces in seen[20 : 20 + away]] == [0] * away, "gone at once"
    assert set(seen[19]) == {1}
    assert set(seen[-1]) == {name}


def test_a_face_far_from_where_another_was_lost_is_new() -> None:
    here = world()
    seen = here.see([lambda i: (80, 60) if i < 20 else (240, 180)], range(40))
    assert set(seen[19]) == {1}
    assert set(seen[20]) == {2}, "a loss makes for a search at once"


def test_a_face_that_leaves_the_frame_and_returns_there_keeps_its_id() -> None:
    """Out at the right edge, and in again after half a second."""
    seen = world().see(
        [lambda i: (360 - 4 * abs(i - 25) if i > 25 else 260 + 4 * i, 120)], range(50)
    )
    assert set(seen[0]) == set(seen[-1]) == {1}
    assert any(not faces for faces in seen)


def test_a_new_face_appears_within_the_interval() -> None:
    here = world()
    seen = here.see([still(80, 90), lambda i: None if i < 100 else (220, 90)], range(140))
    first = next(index for index, faces in enumerate(seen) if 2 in faces)
    assert 100 <= first < 100 + MAX_INTERVAL_CHANGING, "a changed picture is searched soon"
    assert all(set(faces) == {1, 2} for faces in seen[first:])


def test_the_first_face_is_found_soon() -> None:
    here = world()
    seen = here.see([lambda i: None if i < 100 else (220, 90)], range(110))
    first = next(index for index, faces in enumerate(seen) if faces)
    assert first < 100 + MAX_INTERVAL_EMPTY


def test_two_tracks_on_one_face_become_the_older() -> None:
    """Two faces become one, as where one covers the other for good."""
    here = world()
    paths: list[Path] = [lambda i: (max(100, 180 - 4 * i), 90), still(100, 90)]
    seen = here.see(paths, range(90))
    assert set(seen[0]) == {1, 2}
    assert len(seen[-1]) == 1
    np.testing.assert_allclose(centre(*seen[-1].values()), (99.5, 89.5), atol=2)


def test_a_track_that_slipped_to_another_size_is_corrected() -> None:
    """A face that the network accepts, but the detector draws twice as large, keeps its id."""
    here = world(detect_every=10)
    here.see([still(100, 90)], range(5))
    (track,) = here.tracker._tracks
    half = np.float32(0.5) * track.points + np.float32(50)
    track.move(half, squares(half[None])[0], 1.0, track.time)
    here.session.run = lambda batch: Prediction(  # type: ignore[method-assign]
        np.repeat((CIRCLE * 51.2 + 31.5).astype(np.float32)[None], len(batch), axis=0),
        np.ones(len(batch), np.float32),
    )
    seen = here.see([still(100, 90)], range(5, 12))
    assert [set(faces) for faces in seen] == [{1}] * 7
    widths = [float(np.ptp(faces[1].points, axis=0).max()) for faces in seen]
    assert widths[0] < 30
    assert widths[-1] > 35


def fast(index: int) -> Place:
    """Rests, then moves by half of a face's side in each frame, and stops."""
    return 60 + 20 * min(max(0, index - 10), 8), 120


@pytest.mark.parametrize("smoothing", ["off", "medium"])
def test_a_fast_face_that_the_network_does_not_see_is_predicted(smoothing: Smoothing) -> None:
    here = world(detect_every=1000)
    here.tracker.smoothing = smoothing
    here.session.blind = range(11, 18)
    seen = here.see([fast], range(30))
    assert [set(faces) for faces in seen] == [{1}] * 30
    for index, faces in enumerate(seen):
        face, hidden = faces[1], index in range(11, 18)
        assert face.predicted == hidden
        assert face.presence == (None if hidden else 1)
        np.testing.assert_allclose(centre(face), np.array(fast(index)) - 0.5, atol=3)
    assert here.detector.calls == [0, *range(11, 18)], "searched until it is seen"


def test_a_leap_is_followed() -> None:
    """By 30 pixels, more than MAX_LEAP sides, at once."""
    here = world(detect_every=1000)
    seen = here.see([lambda i: (100 if i < 10 else 130, 100)], range(20), stripes=60)
    assert [set(faces) for faces in seen] == [{1}] * 20
    assert not any(faces[1].predicted for faces in seen)
    assert here.detector.calls == [0]


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_a_face_is_predicted_for_a_third_of_a_second_at_most(rate: int) -> None:
    here = world()
    here.session.blind = range(40, 200)
    seen = here.see([still(100, 90)], range(100), rate=rate)
    assert [1 in faces for faces in seen] == [index < 40 + 0.3 * rate for index in range(100)]
    assert sum(faces[1].predicted for faces in seen if faces) == 0.3 * rate


def test_a_face_is_not_predicted_for_longer_than_it_was_seen() -> None:
    here = world()
    here.session.blind = range(3, 200)
    seen = here.see([still(100, 90)], range(20))
    assert [len(faces) for faces in seen] == [1] * 5 + [0] * 15


def test_a_face_is_not_predicted_after_a_cut() -> None:
    here = world()
    here.session.blind = range(9, 200)
    here.see([still(100, 90)], range(9))
    assert here.see([still(100, 90), *SHOT], range(9, 12)) == [{}] * 3


def test_a_predicted_face_is_not_left_beside_the_face_that_a_search_finds() -> None:
    """The network sees it only where the detector does."""
    here = world()
    here.see([still(100, 90)], range(20))

    def place(frame: Frame, boxes: Floats, rolls: Floats) -> tuple[Placement, Floats]:
        points = np.repeat((CIRCLE * SIDE).astype(np.float32)[None], len(boxes), axis=0)
        return Placement(points, np.zeros(len(boxes)), None), squares(points)

    here.tracker._place = place  # type: ignore[method-assign]
    seen = here.see([still(100, 90)], range(20, 40))
    assert [set(faces) for faces in seen] == [{1}] * 20
    assert not any(faces[1].predicted for faces in seen)


def test_without_a_score_the_detector_decides() -> None:
    """A network that sees faces everywhere loses one that three searches do not find."""
    here = world(detect_every=5, score=False)
    here.see([still(100, 90)], range(10))
    here.detector.blind = set(GREYS)
    seen = here.see([still(100, 90)], range(10, 40))
    assert set(seen[0]) == {1}
    assert set(seen[-1]) == set()


def test_with_a_score_the_network_decides() -> None:
    """A detector that misses a turned head does not end the track."""
    here = world()
    here.see([still(100, 90)], range(10))
    here.detector.blind = set(GREYS)
    assert all(set(faces) == {1} for faces in here.see([still(100, 90)], range(10, 90)))


def gone(_: int) -> Place:
    return None


SHOT = [still(220, 160), still(220, 60), still(40, 200)]
"""Faces that make another picture of one with a face elsewhere."""


def test_a_cut_is_searched_at_once() -> None:
    here = world()
    here.see([still(100, 90)], range(9))
    assert here.detector.calls[-1] == 6
    seen = here.see([still(100, 90), *SHOT], [9])
    assert here.detector.calls[-1] == 9
    assert set(seen[0]) == {1, 2, 3, 4}


@pytest.mark.parametrize(("score", "left"), [(True, {1}), (False, set())])
def test_after_a_cut_a_face_stays_only_with_a_presence_score(score: bool, left: set[int]) -> None:
    here = world(score=score)
    here.see([still(100, 90)], range(9))
    here.detector.blind = set(GREYS)
    assert set(here.see([still(100, 90), *SHOT], [9])[0]) == left


@pytest.mark.parametrize("stranger", [False, True])
def test_after_a_cut_another_face_in_the_same_place_has_another_id(stranger: bool) -> None:
    here = world()
    place, nobody = still(100, 90), gone
    here.see([place], range(9))
    here.detector.blind = set(GREYS)
    [faces] = here.see([nobody, place] if stranger else [place], [9], stripes=255)
    assert set(faces) == ({2} if stranger else {1})


def test_after_a_cut_a_lost_face_gives_its_id_to_nobody_else() -> None:
    here = world()
    here.see([still(100, 90)], range(9))
    here.see([gone, gone], range(9, 11), stripes=255)
    seen = here.see([gone, still(120, 100)], range(11, 20), stripes=255)
    assert set(seen[-1]) == {2}


def test_another_source_and_a_time_that_goes_back_start_anew() -> None:
    here = world()
    here.see([still(100, 90)], range(10))
    moved = here.see([still(220, 90)], range(10, 12))
    assert set(moved[-1]) == {2}
    again = here.see([still(220, 90)], range(5))
    assert set(again[0]) == {1}
    image = np.zeros((240, 320, 3), np.uint8)
    image[50:90, 50:90] = GREYS[0]
    (other,) = here.tracker(Frame(image, "another", 5, Fraction(5, 30)))
    assert other.id == 1
    assert here.tracker.summary.frames == 18


def test_frames_without_faces_have_none_and_run_no_network() -> None:
    here = world()
    assert here.see([], range(5)) == [{}] * 5
    assert here.session.rows == 0


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return fkd_infer.load(provider="cpu")


def panned(photo: Pixels, index: int, per_frame: float) -> tuple[Frame, Floats]:
    """The photo twice as large, moved to and fro by so many pixels a frame, and how far."""
    way = per_frame * 30 / np.pi * np.sin(np.pi * index / 30)
    matrix = np.array([[2.0, 0, -130 + way], [0, 2.0, 0]])
    image = cv2.warpAffine(
        photo, matrix, (640, 480), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    frame = Frame(np.asarray(image, np.uint8), "panned", index, Fraction(index, 30))
    return frame, np.array([way, 0], np.float32)


class PortraitDetector(Detector):
    """Detects the face of the panned photo by template matching, to the pixel."""

    rule = BoxRule(0.8, (0.0, 0.1))
    corner, side = (225, 170), 190

    def __init__(self, photo: Pixels) -> None:
        x, y = self.corner
        full = gray_plane(panned(photo, 0, 0)[0].image)
        self.template = full[y : y + self.side, x : x + self.side]

    def __call__(self, image: Pixels) -> Detections:
        likeness = cv2.matchTemplate(gray_plane(image), self.template, cv2.TM_CCOEFF_NORMED)
        y, x = divmod(int(likeness.argmax()), likeness.shape[1])
        middle = np.array([x, y]) + self.side / 2 - (0, 0.1 * self.side / 0.8)
        box = [*(middle - self.side / 1.6), *(middle + self.side / 1.6)]
        return Detections(np.array([box], np.float32), np.ones(1, np.float32))


@pytest.fixture(scope="module")
def detector(portrait: Pixels) -> PortraitDetector:
    return PortraitDetector(portrait)


@pytest.mark.parametrize("per_frame", [0, 4, 15])
def test_points_of_a_panned_photo_stay_on_the_face(
    portrait: Pixels, pipeline: Pipeline, detector: PortraitDetector, per_frame: float
) -> None:
    tracker = Tracker(pipeline, detector)
    at_rest = []
    for index in range(45):
        frame, way = panned(portrait, index, per_frame)
        (face,) = tracker(frame)
        assert face.id == 1
        at_rest.append(face.points - way)
    middle = np.median(at_rest, axis=0)
    eyes = float(np.linalg.norm(middle[36] - middle[45]))
    errors = np.linalg.norm(np.array(at_rest) - middle, axis=-1).mean(axis=1) / eyes
    assert errors.max() < 0.04
    assert errors.mean() < 0.015
    assert tracker.summary.detections <= 10


def test_points_are_near_those_of_detection_on_every_frame(
    portrait: Pixels, pipeline: Pipeline, detector: PortraitDetector
) -> None:
    tracker = Tracker(pipeline, detector)
    for index in range(20):
        frame, _ = panned(portrait, index, 5)
        (followed,), (found,) = tracker(frame), pipeline.find_faces(frame.image, detector)
        eyes = float(np.linalg.norm(found.points[36] - found.points[45]))
        apart = np.linalg.norm(followed.points - found.points, axis=1).mean()
        assert apart / eyes < 0.03
        assert np.abs(followed.box - found.box).max() < 0.35 * float(np.ptp(found.box[::2]))


def test_smoothing_may_be_set_while_it_runs(
    portrait: Pixels, pipeline: Pipeline, detector: PortraitDetector
) -> None:
    plain = Tracker(pipeline, detector)
    smooth = Tracker(pipeline, detector)
    for index in range(12):
        smooth.smoothing = "high" if index < 6 else "off"
        assert smooth.smoothing == ("high" if index < 6 else "off")
        frame, _ = panned(portrait, index, 4)
        (one,), (other,) = plain(frame), smooth(frame)
        same = np.array_equal(one.points, other.points)
        assert same == (index >= 6) or index == 0
        assert np.abs(one.points - other.points).max() < 8


def test_boxes_lead_to_the_points_by_the_detectors_rule(
    pipeline: Pipeline, portrait: Pixels, detector: PortraitDetector
) -> None:
    (face,) = Tracker(pipeline, detector)(panned(portrait, 0, 0)[0])
    tight = square_boxes(*apply_rule(points_box(face.points)[None], POINTS_BOX))
    again = square_boxes(*apply_rule(face.box[None], detector.rule))
    np.testing.assert_allclose(again, tight, atol=0.01)


def test_gray_frames_have_the_same_faces_as_colour_frames(
    portrait: Pixels, pipeline: Pipeline, detector: PortraitDetector
) -> None:
    colour = Tracker(pipeline, detector)
    gray = Tracker(pipeline, detector)
    for index in range(6):
        frame, _ = panned(portrait, index, 4)
        (one,), (other,) = colour(frame), gray(replace(frame, image=gray_plane(frame.image)))
        np.testing.assert_allclose(one.points, other.points, atol=0.5)
