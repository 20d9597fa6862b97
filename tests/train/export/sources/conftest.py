"""Faces of dots, and a network that finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dot_faces import SCHEME, DotNet, write_dot_faces
from safetensors.torch import save_file


@pytest.fixture(scope="session")
def dot_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of faces of five dots, with only a training part."""
    return write_dot_faces(tmp_path_factory.mktemp("dots"))


@pytest.fixture(scope="session")
def dots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TOML file of their scheme."""
    path = tmp_path_factory.mktemp("scheme") / "dots.toml"
    path.write_text(SCHEME)
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network's weights."""
    path = tmp_path_factory.mktemp("weights") / "dots.safetensors"
    save_file(DotNet().state_dict(), path)
    return path
