"""Drawn faces and a small recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_dataset import tiny_recipe, write_part

from fkd_train.config.landmarks import LandmarkRecipe


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn faces: 20 training rows of 10 people, 6 test rows."""
    folder = tmp_path_factory.mktemp("drawn")
    write_part(folder, "training", 10, 2, seed=0)
    write_part(folder, "test", 3, 2, seed=1)
    return folder


@pytest.fixture(scope="session")
def tiny() -> LandmarkRecipe:
    """Two epochs of five steps, with everything switched on."""
    return tiny_recipe()
