"""Where tests find data and models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_models import MODELS


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data set: FKD_DATA, or beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "youtube-faces-68"
    folder = Path(os.environ.get("FKD_DATA", beside))
    if not (folder / "training_frames_keypoints.csv").is_file():
        pytest.skip(f"no data set at {folder}; set FKD_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, so that no profile of this machine has a say."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FKD_CACHE", str(folder))
    return folder


@pytest.fixture
def fixed_model() -> Path:
    """A network that answers a circle of points, moved by the crop's brightness."""
    return MODELS / "fixed.onnx"
