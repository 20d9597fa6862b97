"""Changes of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_train.config.sections import AugmentConfig
from fkd_train.data.augmentation.photometric import photometric


@pytest.mark.parametrize(
    "name", ["light", "lamp", "blur", "noise", "occlusion", "low_resolution", "jpeg"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_change_returns_new_pixels_of_the_same_kind(name: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, channels), np.uint8)
    before = pixels.copy()
    only = AugmentConfig(**{name: 1.0})
    changed = [photometric(pixels, only, np.random.default_rng(seed)) for seed in range(8)]
    np.testing.assert_array_equal(pixels, before)
    assert all(c.shape == pixels.shape and c.dtype == np.uint8 for c in changed)
    assert all((c != pixels).any() for c in changed)
