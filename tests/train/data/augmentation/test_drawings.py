"""Drawings that resemble faces, as negative samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fkd_infer.geometry.arrays import Pixels
from fkd_train.data.augmentation.drawings import animal, emblem, lettering, segment_digits

DRAWINGS = [lettering, segment_digits, emblem, animal]


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("size", [(9, 30), (64, 64), (320, 200)])
def test_draws_the_same_for_the_same_seed(
    draw: Callable[[Pixels, np.random.Generator], None], size: tuple[int, int]
) -> None:
    tiles = np.full((2, 40, *size, 3), 128, np.uint8)
    for copy in tiles:
        for seed, tile in enumerate(copy):
            draw(tile, np.random.default_rng(seed))
    np.testing.assert_array_equal(*tiles)
    assert (tiles[0] != 128).any((1, 2, 3)).mean() > 0.6
    assert len({tile.tobytes() for tile in tiles[0]}) > 20
