"""Generated videos with known contents."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.programs.scenes import Scene


@pytest.mark.parametrize("scene", [Scene(720, 1), Scene(1080, 4)], ids=lambda s: s.name)
def test_the_window_stays_inside_the_photo(scene: Scene) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    photo = scene.photo()
    width, height = scene.size
    for index in range(0, 600, 11):
        assert scene.frame(photo, index).shape == (height, width, 3)


def test_finds_the_face_by_the_quarter_of_the_photo_that_holds_its_points() -> None:
    scene = Scene(720, 4)
    quarters = [
        scene.face_index(np.array([[x, y]], np.float32)) for y in (100, 500) for x in (300, 900)
    ]
    assert quarters == [0, 1, 2, 3]
