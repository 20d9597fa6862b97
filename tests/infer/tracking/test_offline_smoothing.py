"""Offline smoothing: no lag, no smoothing across cuts, short gaps filled, few frames held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from tiny_models import fixed_points

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.types import Face, Frame

SHAPE = fixed_points() * 10
"""A face of 120 pixels."""
Item = tuple[Frame, list[Face]]


def picture(seed: int) -> Pixels:
    """A picture that does not correlate with that of another seed."""
    cells = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return cells.repeat(4, axis=0).repeat(4, axis=1)


ONE, OTHER = picture(0), picture(1)


def item(time: Fraction, points: Floats | None, image: Pixels = ONE, name: int | None = 1) -> Item:
    frame = Frame(image, "video", int(30 * time), time)
    if points is None:
        return frame, []
    points = points.astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return frame, [Face(points, box, 0.75, name, presence=0.9)]


def times(steps: Sequence[int]) -> list[Fraction]:
    """Times at these distances, in milliseconds."""
    return [Fraction(int(t), 1000) for t in np.cumsum([0, *steps])]


STEADY, UNEVEN = times([33] * 60), times([33, 41, 16, 60, 33, 7, 80, 20] * 8)


@pytest.mark.parametrize("clock", [STEADY, UNEVEN], ids=["steady", "uneven"])
def test_a_parabola_is_preserved(clock: list[Fraction]) -> None:
    def path(time: Fraction) -> Floats:
        t = float(time)
        return np.asarray(SHAPE * (1 + 0.1 * t) + (90 * t, 40 * t - 30 * t * t), np.float32)

    items = [item(time, path(time)) for time in clock]
    for (_, (before,)), (frame, (after,)) in zip(items, smooth_offline(items), strict=True):
        np.testing.assert_allclose(after.points, path(frame.time), atol=0.01)
        np.testing.assert_allclose(after.box, before.box, atol=0.01)
        assert (after.id, after.score, after.presence) == (1, 0.75, 0.9)


def test_noise_at_rest_is_reduced_to_a_tenth() -> None:
    rng = np.random.default_rng(0)
    items = [
        item(time, SHAPE + np.float32(0.3) * rng.standard_normal(SHAPE.shape, np.float32))
        for time in STEADY
    ]
    found = [faces[0].points for _, faces in smooth_offline(items)]
    given = [faces[0].points for _, faces in items]
    calm, wild = (np.abs(np.diff(np.array(x), 2, axis=0)).mean() for x in (found, given))
    assert calm < wild / 10


def test_a_blink_is_preserved() -> None:
    """Points that move by 5 % of the face and back within 0.2 s keep most of their motion."""
    eye = np.zeros_like(SHAPE)
    eye[37:42, 1] = 6.0

    def path(time: Fraction) -> Floats:
        return SHAPE + eye * np.float32(max(0.0, 1 - abs(float(time) - 1) / 0.1))

    found = [faces[0].points for _, faces in smooth_offline(item(t, path(t)) for t in STEADY)]
    deepest = max(float((points - SHAPE)[40, 1]) for points in found)
    assert deepest > 0.7 * max(float((path(t) - SHAPE)[40, 1]) for t in STEADY)


@pytest.mark.parametrize("what", ["jump", "cut", "source"])
def test_nothing_is_smoothed_across_a_change(what: str) -> None:
    """Two resting faces do not affect each other."""
    there = SHAPE + (100 if what == "jump" else 5)
    items = []
    for number, time in enumerate(STEADY):
        later = number >= 30
        image = OTHER if what == "cut" and later else ONE
        items.append(item(time, there if later else SHAPE, image))
    if what == "source":
        items = [
            (Frame(f.image, "b" if n >= 30 else "a", n, f.time), x)
            for n, (f, x) in enumerate(items)
        ]
    for number, (_, (face,)) in enumerate(smooth_offline(items)):
        np.testing.assert_allclose(face.points, there if number >= 30 else SHAPE, atol=1e-3)


def test_a_short_gap_is_filled_and_a_long_one_is_not() -> None:
    gaps = {20, 21, 22, *range(35, 45)}

    def path(time: Fraction) -> Floats:
        return SHAPE + np.float32(60 * float(time))

    given = [item(t, None if n in gaps else path(t)) for n, t in enumerate(STEADY)]
    found = list(smooth_offline(given))
    assert [len(faces) for _, faces in found] == [n not in range(35, 45) for n in range(61)]
    for frame, faces in found[15:28]:
        np.testing.assert_allclose(faces[0].points, path(frame.time), atol=0.01)
    (filled,) = found[21][1]
    assert (filled.id, filled.score, filled.presence) == (1, 0.75, None)
    assert filled.predicted
    assert not found[19][1][0].predicted


def test_predicted_faces_are_interpolated_and_affect_no_others() -> None:
    """Those that no placed points follow stay as they are."""
    wrong = {20, 21, 22, 59, 60}
    given = []
    for number, time in enumerate(STEADY):
        frame, (face,) = item(time, SHAPE + 20 if number in wrong else SHAPE)
        given.append((frame, [replace(face, predicted=number in wrong)]))
    for number, (_, (face,)) in enumerate(smooth_offline(given)):
        assert face.predicted == (number in wrong)
        expected = SHAPE + 20 if number in (59, 60) else SHAPE
        np.testing.assert_allclose(face.points, expected, atol=1e-3)


def test_a_gap_is_not_filled_across_a_cut() -> None:
    given = [
        item(t, None if n in (20, 21) else SHAPE, OTHER if n > 20 else ONE)
        for n, t in enumerate(STEADY)
    ]
    found = [len(faces) for _, faces in smooth_offline(given)]
    assert found == [n not in (20, 21) for n in range(61)]


def test_a_lone_frame_and_faces_without_id_stay_as_they_are() -> None:
    ((_, (alone,)),) = smooth_offline([item(Fraction(0), SHAPE)])
    np.testing.assert_allclose(alone.points, SHAPE, atol=1e-5)
    given = [item(time, SHAPE + n, name=None) for n, time in enumerate(STEADY)]
    for (_, before), (_, after) in zip(given, smooth_offline(given), strict=True):
        assert after[0] is before[0]


def test_two_faces_do_not_mix() -> None:
    given = []
    for time in STEADY:
        frame, (one,) = item(time, SHAPE + np.float32(30 * float(time)))
        _, (two,) = item(time, SHAPE + 200 - np.float32(30 * float(time)), name=2)
        given.append((frame, [two, one]))
    for (_, before), (_, after) in zip(given, smooth_offline(given), strict=True):
        assert [face.id for face in after] == [2, 1]
        for a, b in zip(after, before, strict=True):
            np.testing.assert_allclose(a.points, b.points, atol=0.01)


def test_frames_come_in_order_and_only_a_window_is_buffered() -> None:
    read = 0

    def reading() -> Iterator[Item]:
        nonlocal read
        for time in STEADY:
            read += 1
            yield item(time, SHAPE)

    pending, order = [], []
    for frame, _ in smooth_offline(reading()):
        order.append(frame.time)
        pending.append(read - len(order))
    assert order == STEADY
    assert max(pending) == 10, "0.3 s are ten frames of 33 ms"


def test_without_frames_there_are_none() -> None:
    assert list(smooth_offline([])) == []
