"""The One-Euro filter against its equations, and its effect on faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import pi

import numpy as np
import pytest
from tiny_models import fixed_points

from fkd_infer.choices import SMOOTHINGS, Smoothing
from fkd_infer.geometry.arrays import Floats
from fkd_infer.tracking.one_euro import LEVELS, Cutoffs, OneEuro, Smoother
from fkd_infer.types import Face

STEADY = [Fraction(1, 30)] * 40
UNEVEN = [Fraction(n, 1000) for n in (33, 41, 16, 100, 33, 7, 250, 20)] * 5
SHAPE = fixed_points() * 10
"""A face of 120 pixels."""


def scalar_one_euro(
    values: Sequence[float], steps: Sequence[Fraction], c: Cutoffs, unit: float
) -> list[float]:
    """The paper's algorithm, for one coordinate."""

    def alpha(cutoff: float, seconds: float) -> float:
        tau = 1 / (2 * pi * cutoff)
        return 1 / (1 + tau / seconds)

    out, slope = [values[0]], 0.0
    for value, step in zip(values[1:], steps, strict=False):
        seconds = float(step)
        raw = (value - out[-1]) / seconds
        a = alpha(c.speed, seconds)
        slope = a * raw + (1 - a) * slope
        a = alpha(c.minimum + c.slope * abs(slope) / unit, seconds)
        out.append(a * value + (1 - a) * out[-1])
    return out


@pytest.mark.parametrize("steps", [STEADY, UNEVEN], ids=["steady", "uneven"])
def test_it_is_the_filter_of_the_paper(steps: list[Fraction]) -> None:
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.normal(size=(len(steps), 5)), axis=0)
    cutoffs, unit = Cutoffs(1.2, 0.7, 1.5), 3.0
    state = OneEuro.start(values[0].astype(np.complex128))
    found = [state.value.real]
    for value, step in zip(values[1:], steps, strict=False):
        state = state.step(value.astype(np.complex128), float(step), cutoffs, np.full(1, unit))
        found.append(state.value.real)
    expected = [scalar_one_euro(column.tolist(), steps, cutoffs, unit) for column in values.T]
    np.testing.assert_allclose(np.transpose(found), expected, rtol=1e-12)


def face(points: Floats, name: int | None = 1) -> Face:
    return Face(points.astype(np.float32), np.array([0, 0, 9, 9], np.float32), id=name)


def smoothed(
    frames: Sequence[Floats], steps: Sequence[Fraction], level: Smoothing = "medium"
) -> list[Floats]:
    """The points of one face in each frame."""
    smoother, time, out = Smoother(level), Fraction(0), []
    for points, step in zip(frames, [Fraction(0), *steps], strict=False):
        time += step
        out.append(smoother(time, [face(points)])[0].points)
    return out


@pytest.mark.parametrize("level", SMOOTHINGS)
@pytest.mark.parametrize("steps", [STEADY, UNEVEN], ids=["steady", "uneven"])
def test_resting_points_stay(level: Smoothing, steps: list[Fraction]) -> None:
    for points in smoothed([SHAPE] * 40, steps, level):
        np.testing.assert_allclose(points, SHAPE, atol=1e-4)


def test_off_leaves_points_bit_for_bit() -> None:
    points = np.random.default_rng(0).normal(size=(68, 2)).astype(np.float32)
    given = face(points)
    assert Smoother("off")(Fraction(1, 30), [given])[0] is given


def noisy(rng: np.random.Generator, middle: Floats = SHAPE) -> Floats:
    """A face with independent noise of half a percent of its size at each point."""
    return (middle + rng.normal(0, 0.6, middle.shape)).astype(np.float32)


def jitter(frames: Sequence[Floats]) -> float:
    return float(np.linalg.norm(np.diff(np.array(frames), 2, axis=0), axis=-1).mean())


def test_higher_levels_are_calmer_and_medium_leaves_a_quarter() -> None:
    rng = np.random.default_rng(1)
    frames = [noisy(rng) for _ in range(200)]
    steps = [Fraction(1, 30)] * 200
    found = {level: jitter(smoothed(frames, steps, level)[20:]) for level in SMOOTHINGS}
    assert found["off"] > found["low"] > found["medium"] > found["high"]
    assert found["medium"] < found["off"] / 4


@pytest.mark.parametrize("steps", [STEADY, UNEVEN], ids=["steady", "uneven"])
def test_a_moving_face_lags_by_less_than_a_frame(steps: list[Fraction]) -> None:
    """At a face's width a second, which is 4 pixels in a frame of 1/30 s."""
    times = np.cumsum([0.0, *map(float, steps)])
    speed = np.array([120.0, -20.0])
    frames = [(SHAPE + speed * time).astype(np.float32) for time in times]
    late = [
        float((frame - points).mean(axis=0) @ speed / (speed @ speed))
        for frame, points in zip(frames, smoothed(frames, steps), strict=True)
    ]
    assert max(late[20:]) < 1 / 30
    assert min(late[20:]) > -0.001


def test_a_predicted_face_moves_but_keeps_its_shape() -> None:
    """Its points say where the face is, but are no observation of its parts."""
    smoother = Smoother("high")
    wide = (SHAPE - SHAPE.mean(axis=0)) * np.array([1.3, 0.7]) + SHAPE.mean(axis=0) + (30, 0)
    for index in range(40):
        predicted = index >= 20
        given = replace(face(wide if predicted else SHAPE), predicted=predicted)
        [found] = smoother(Fraction(index, 30), [given])
        assert found.predicted == predicted
    centred, expected = (p - p.mean(axis=0) for p in (found.points, SHAPE))
    np.testing.assert_allclose(found.points.mean(axis=0), wide.mean(axis=0), atol=1)
    np.testing.assert_allclose(centred / centred.std(), expected / expected.std(), atol=0.01)


def turned(angle: float, grown: float = 1.0) -> Floats:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = SHAPE.mean(axis=0)
    return np.asarray((SHAPE - middle) @ turn * grown + middle, np.float32)


def test_a_roll_past_half_a_turn_goes_on() -> None:
    """At 180° a second: the shape stays, and the angle never goes back."""
    frames = [turned(np.radians(150 + 6 * index)) for index in range(20)]
    found = smoothed(frames, STEADY)
    for before, after in pairwise(found):
        arms = [np.asarray(p[0] - p.mean(axis=0), np.float64) for p in (before, after)]
        assert arms[0][0] * arms[1][1] - arms[0][1] * arms[1][0] > 0
        np.testing.assert_allclose(np.linalg.norm(arms[1]), 60, rtol=0.01)


def test_size_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    frames = [noisy(rng, SHAPE + np.float32(2 * index)) for index in range(30)]
    ones, tenfold = smoothed(frames, STEADY), smoothed([10 * f for f in frames], STEADY)
    np.testing.assert_allclose(np.multiply(ones, 10), tenfold, rtol=1e-4)


@pytest.mark.parametrize(
    "leap", [SHAPE + 90, turned(0, 2.0)], ids=["to another place", "to another size"]
)
def test_a_jump_restarts_the_filter(leap: Floats) -> None:
    rng = np.random.default_rng(4)
    frames = [noisy(rng) for _ in range(10)] + [noisy(rng, leap)]
    found = smoothed(frames, STEADY)
    assert np.abs(found[9] - frames[9]).max() > 0.1
    np.testing.assert_allclose(found[10], frames[10], atol=1e-4)


def test_a_face_that_was_away_restarts_and_others_continue() -> None:
    rng = np.random.default_rng(5)
    smoother, alone = Smoother("high"), Smoother("high")
    for index in range(12):
        time, near, far = Fraction(index, 30), noisy(rng), noisy(rng, SHAPE + 300)
        faces = [face(far, 7), face(near, 3)] if index != 10 else [face(near, 3)]
        if index % 2:
            faces.reverse()
        found = {f.id: f.points for f in smoother(time, faces)}
        (expected,) = alone(time, [face(near, 3)])
        np.testing.assert_allclose(found[3], expected.points, atol=1e-4)
    np.testing.assert_allclose(found[7], far, atol=1e-4)


def test_a_time_that_goes_back_restarts_the_filter() -> None:
    rng = np.random.default_rng(6)
    smoother = Smoother("high")
    for time in (5, 6, 7):
        smoother(Fraction(time, 30), [face(noisy(rng))])
    points = noisy(rng)
    for time in (7, 2):
        (found,) = smoother(Fraction(time, 30), [face(points)])
        np.testing.assert_allclose(found.points, points, atol=1e-4)


def test_faces_without_id_stay_as_they_are() -> None:
    smoother = Smoother("high")
    rng = np.random.default_rng(7)
    for index in range(3):
        nameless, named = face(noisy(rng), None), face(noisy(rng), 1)
        found = smoother(Fraction(index, 30), [nameless, replace(named, score=0.25)])
        assert found[0] is nameless
        assert (found[1].id, found[1].score) == (1, 0.25)
    assert not np.array_equal(found[1].points, named.points)


def test_the_level_may_change_between_frames() -> None:
    smoother, rng = Smoother("high"), np.random.default_rng(8)
    for index, level in enumerate(("high", "high", "off", "low")):
        smoother.level = level  # type: ignore[assignment]
        points = noisy(rng)
        (found,) = smoother(Fraction(index, 30), [face(points)])
        assert np.allclose(found.points, points, atol=1e-4) == (index != 1)


def test_every_level_but_off_has_its_constants() -> None:
    assert set(LEVELS) == set(SMOOTHINGS) - {"off"}
