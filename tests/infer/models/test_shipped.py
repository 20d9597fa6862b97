"""What the shipped networks answer where there is no face."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.models.shipped import shipped_models
from fkd_infer.runtime.session import LandmarkSession

SCORED = [name for name in shipped_models() if name != "naimishnet"]


@pytest.mark.parametrize("name", SCORED)
def test_the_score_sees_no_face_in_gray_noise_and_a_gradient(name: str) -> None:
    session = LandmarkSession(name, "cpu")
    size = session.card.input.size
    gray = np.full((size, size, 1), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 1)).astype(np.uint8)
    gradient = np.tile(np.linspace(0, 255, size).astype(np.uint8)[:, None], (size, 1, 1))
    scores = session.run(np.stack([gray, noise, gradient])).scores
    assert scores is not None
    assert (scores < MIN_PRESENCE / 2).all()
