"""Drawn data sets and small recipes for tests of the trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from drawn_dataset import tiny_recipe, write_part
from own_networks import WriteModule
from tiny_models import five_points

from fkd_train.config.detector import DetectorRecipe, detector_recipe_from_dict
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.models.detector import DetectorNet


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn faces: 20 training rows of 10 people, 6 test rows."""
    folder = tmp_path_factory.mktemp("drawn")
    write_part(folder, "training", 10, 2, seed=0)
    write_part(folder, "test", 3, 2, seed=1)
    return folder


@pytest.fixture(scope="session")
def five_point_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with five points per face and only a training part: 60 rows of 20 people."""
    folder = tmp_path_factory.mktemp("five")
    write_part(folder, "training", 20, 3, seed=0, of_face=five_points)
    return folder


@pytest.fixture(scope="session")
def tiny() -> LandmarkRecipe:
    """Two epochs of five steps, with augmentation, schedule and averaging."""
    return tiny_recipe()


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes modules that can be imported until the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))
    roots = set()

    def forget() -> None:
        for imported in list(sys.modules):
            if imported.partition(".")[0] in roots:
                del sys.modules[imported]

    def write(name: str, text: str) -> None:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        roots.add(name.partition(".")[0])
        forget()

    yield write
    forget()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Runs torch on one thread, which is fastest for small networks, and deterministic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def lively(tiny_detector: DetectorRecipe) -> DetectorNet:
    """An untrained detector whose scores, boxes and points vary widely."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DetectorNet(tiny_detector.model.spec())
        for head in network.heads:
            assert isinstance(head, torch.nn.Conv2d)
            torch.nn.init.normal_(head.weight[1:], std=0.5)
            torch.nn.init.uniform_(head.weight[:1], 0, 2)
        with torch.no_grad():
            for _ in range(30):  # updates the statistics of batch normalisation
                network(torch.randint(0, 256, (4, 96, 96, 3), dtype=torch.uint8))
    return network.eval()


@pytest.fixture(scope="session")
def tiny_detector() -> DetectorRecipe:
    """Two epochs of three steps on small mosaics."""
    return detector_recipe_from_dict(
        {
            "name": "tiny",
            "summary": "for tests",
            "task": "detector",
            "split": "official",
            "epochs": 2,
            "batch": 4,
            "model": {
                "name": "fkd-detector",
                "stem": 4,
                "widths": [8, 8, 8, 8],
                "depths": [1, 1, 1, 1],
            },
            "mosaic": {"size": 96, "per_epoch": 12, "validation": 6, "augment": {"light": 0.5}},
            "optimizer": {"name": "adamw", "lr": 4e-3, "schedule": "one_cycle", "ema": 0.5},
        }
    )
