"""The tracking benchmark, on points with known jitter and lag."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from tiny_models import fixed_points

from benchmarks.cli.main import main
from benchmarks.faces.motion import HEIGHT, SIGMA, WIDTH, MotionPath, MovingPhoto
from benchmarks.faces.tracking import EVERY, PATHS, jitter, lag
from benchmarks.harness.results import read_runs
from fkd_infer.choices import SMOOTHINGS
from fkd_infer.geometry.transforms import transform

MOVED = PATHS[1]


def test_jitter_is_the_second_difference() -> None:
    points = np.zeros((10, 68, 2))
    points[1::2, :, 0] = 3.0
    assert jitter(points) == pytest.approx(6 * 2 / 2)
    even = np.arange(10.0)[:, None, None] * np.ones((68, 2))
    assert jitter(even) == pytest.approx(0)


@pytest.mark.parametrize("late", [0, 0.5, 1.3])
def test_measures_the_lag_of_points(late: float) -> None:
    def path(lag: float) -> np.ndarray:
        frames = np.arange(60) - lag
        return np.array(
            [transform(fixed_points(), MOVED.matrix(i / 30, (7.5, 7.5))) for i in frames],
            np.float64,
        )

    noise = np.random.default_rng(0).normal(0, 0.2, (60, 68, 2))
    assert lag(path(late) + noise, path) == pytest.approx(late, abs=0.03)


def test_the_centre_of_the_photo_follows_the_path() -> None:
    """It is in the frame's centre at rest, and never leaves the frame on any path."""
    centre = (40.0, 30.0)
    middle = transform([centre], MotionPath("rest").matrix(1.7, centre))[0]
    np.testing.assert_allclose(middle, [(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    for path in PATHS:
        at = [transform([centre], path.matrix(t, centre))[0] for t in np.linspace(0, 20, 400)]
        assert np.min(at) > 200
        assert np.max(np.array(at) - (WIDTH, HEIGHT)) < -200


def test_frames_show_the_photo_with_noise_of_a_fixed_seed() -> None:
    photo = np.full((60, 80, 3), 100, np.uint8)
    cv2.circle(photo, (40, 30), 10, (200, 200, 200), -1)
    moving = MovingPhoto(photo, (40.0, 30.0), MOVED, 3, seed=5)
    once, again = list(moving), list(moving)
    for index, (frame, same) in enumerate(zip(once, again, strict=True)):
        np.testing.assert_array_equal(frame.image, same.image)
        x, y = transform([(40, 30)], moving.matrix(index))[0].astype(int)
        around = frame.image[y - 8 : y + 8, x - 8 : x + 8].astype(float)
        assert around.mean() == pytest.approx(200, abs=1)
        assert around.std() == pytest.approx(SIGMA, rel=0.15)
    assert [float(frame.time) for frame in once] == pytest.approx([0, 1 / 30, 2 / 30])


@pytest.mark.slow
def test_measures_all_smoothings_on_all_paths(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["tracking", "--seconds", "1", "--out", str(out)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (run,) = read_runs([out])
    assert {m.conditions["path"] for m in run.measurements} == {path.name for path in PATHS}
    by_path = {
        path.name: {
            m.contender: m.figures for m in run.measurements if m.conditions["path"] == path.name
        }
        for path in PATHS
    }
    for path in PATHS:
        figures = by_path[path.name]
        assert list(figures) == [EVERY, *SMOOTHINGS, "offline"]
        assert figures["off"]["frames searched"].value < 20
        # In clips of a second, errors differ by chance.
        assert figures["offline"]["error"].value < 1.05 * figures["off"]["error"].value
        assert ("lag" in figures["off"]) == path.moves
    rest, moved = by_path["rest"], by_path[MOVED.name]
    assert rest["medium"]["jitter"].value < rest["off"]["jitter"].value / 4
    assert moved["medium"]["lag"].value < 1
    assert abs(moved["offline"]["lag"].value) < 0.1
