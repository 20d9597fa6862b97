"""Drawing faces by the weights of their data sets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fkd_train.config.sections import DataConfig
from fkd_train.data.draws import FaceDraws
from fkd_train.data.faces import Faces


def faces(*sets: str) -> Faces:
    count = len(sets)
    names = tuple(map(str, range(count)))
    images = (np.zeros((4, 4), np.uint8),) * count
    return Faces(names, images, np.zeros((count, 68, 2), np.float32), sets=sets)


def test_without_weights_an_epoch_shows_each_face_once_in_order() -> None:
    some = faces("one", "two", "two")
    draws = FaceDraws.of(some, [DataConfig("one"), DataConfig("two")])
    assert [draws.row(3, number) for number in range(len(draws))] == [0, 1, 2]


@pytest.mark.parametrize("weight", [0.25, 0.4, 1.5, 3.0])
def test_faces_are_drawn_equally_often_in_the_long_run(weight: float) -> None:
    some = faces(*10 * ["one"], *5 * ["two"])
    draws = FaceDraws.of(some, [DataConfig("one", weight=weight), DataConfig("two")])
    epochs = 20
    shown = Counter(draws.row(e, number) for e in range(epochs) for number in range(len(draws)))
    for row in range(10):
        assert shown[row] == pytest.approx(weight * epochs, abs=1)
    assert {shown[row] for row in range(10, 15)} == {epochs}


def test_samples_beyond_the_epoch_are_refused() -> None:
    draws = FaceDraws.of(faces("one"), [DataConfig("one")])
    with pytest.raises(IndexError):
        draws.row(0, 1)
