"""The frames that contenders in browsers see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.web.frames import HEIGHT, WIDTH, drawn_frames, photo_frames, write_frames


def write_photo(folder: Path, width: int, height: int, points: np.ndarray) -> None:
    """A photo of 300-W, whose points are counted from 1."""
    cv2.imwrite(str(folder / "photo.png"), np.zeros((height, width, 3), np.uint8))
    lines = "\n".join(f"{x + 1} {y + 1}" for x, y in points)
    (folder / "photo.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")


def test_a_drawn_frame_has_its_face_inside() -> None:
    frames = drawn_frames()
    assert len(frames) == 20
    for frame in frames:
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert (frame.points > 0).all()
        assert (frame.points < [WIDTH, HEIGHT]).all()


@pytest.mark.parametrize(
    ("size", "scale"), [((1280, 960), 0.5), ((1920, 960), 1 / 3), ((320, 240), 1)]
)
def test_the_points_of_a_photo_go_with_its_pixels(
    tmp_path: Path, size: tuple[int, int], scale: float
) -> None:
    points = np.random.default_rng(0).uniform(50, 200, (68, 2)).round()
    write_photo(tmp_path, *size, points)
    (frame,) = photo_frames(tmp_path)
    np.testing.assert_allclose(frame.points, (points + 0.5) * scale - 0.5, atol=1e-3)


def test_frames_are_written_as_they_are(tmp_path: Path) -> None:
    frames = drawn_frames()[:2]
    for name, frame in zip(write_frames(frames, tmp_path / "new"), frames, strict=True):
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / name)), frame.image)
