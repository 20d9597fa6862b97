"""The shipped files run in the package for GPUs, which is of another version than the CPU's."""

from __future__ import annotations

import numpy as np
import pytest
from repo_paths import SHIPPED_MODELS

from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.runtime.proof import DRAWN_PARTS, drawn_face
from fkd_infer.runtime.session import LandmarkSession


@pytest.mark.parametrize(
    "path", sorted(SHIPPED_MODELS.glob("*net*.onnx")), ids=lambda path: path.stem
)
def test_networks_place_points_on_a_drawn_face(path: object) -> None:
    session = LandmarkSession(str(path), "cpu")
    size = session.card.input.size
    points = session.run(np.repeat(drawn_face(size)[None, ..., None], 3, axis=0)).points
    for part, centre in DRAWN_PARTS.items():
        found = points[:, list(session.card.landmarks.groups[part])].mean(axis=1) / size
        assert np.abs(found - centre).max() < 0.1


@pytest.mark.parametrize("name", ["fkd-detector", "fkd-detector-int8"])
def test_detectors_search_a_picture(name: str) -> None:
    detector = FkdDetector(name, provider="cpu")
    assert len(detector(np.full((200, 300, 3), 128, np.uint8))) == 0
