"""Drawn data sets and small recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from known import five_points

from fkd_infer.crop import Floats
from fkd_train.config import Recipe, recipe_from_dict
from fkd_train.detector import DetectorNet
from fkd_train.detector_config import DetectorRecipe, detector_recipe_from_dict
from fkd_train.drawn import draw_face


def write_part(
    folder: Path,
    part: str,
    people: int,
    views: int,
    seed: int,
    of_face: Callable[[Floats], Floats] = lambda points: points,
) -> None:
    """`people` × `views` drawn faces with their CSV; `of_face` makes its points of the 68."""
    rng = np.random.default_rng(seed)
    (folder / part).mkdir(parents=True)
    lines = []
    for number in range(people * views):
        name = f"Person_{number // views}_{number % views:02}.jpg"
        image, drawn = draw_face(int(rng.integers(80, 140)), rng)
        _, data = cv2.imencode(".png", image)
        (folder / part / name).write_bytes(data.tobytes())
        values = of_face(drawn).ravel()
        lines.append(name + "," + ",".join(f"{v:.2f}" for v in values))
    header = "," + ",".join(map(str, range(values.size)))
    (folder / f"{part}_frames_keypoints.csv").write_text("\n".join([header, *lines]) + "\n")


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn faces: 20 training rows of 10 people, 6 test rows."""
    folder = tmp_path_factory.mktemp("drawn")
    write_part(folder, "training", 10, 2, seed=0)
    write_part(folder, "test", 3, 2, seed=1)
    return folder


@pytest.fixture(scope="session")
def five_point_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The like with five points each, in a training part alone: 60 rows of 20 people."""
    folder = tmp_path_factory.mktemp("five")
    write_part(folder, "training", 20, 3, seed=0, of_face=five_points)
    return folder


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    """Two epochs of five steps, with everything switched on."""
    return recipe_from_dict(
        {
            "name": "tiny",
            "summary": "for tests",
            "split": "official",
            "epochs": 2,
            "batch": 4,
            "model": {"name": "naimishnet", "size": 64},
            "crop": {"scale": 1.25},
            "loss": {"name": "wing"},
            "optimizer": {"name": "adamw", "lr": 1e-3, "schedule": "one_cycle", "ema": 0.5},
            "augment": {"flip": 0.5, "shift": 0.05, "scale": 0.1, "roll": 10, "light": 0.5},
        }
    )


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks train quickest, and to the same bit each time, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def lively(tiny_detector: DetectorRecipe) -> DetectorNet:
    """Its network, untrained, with scores of all heights, and boxes and points of many sizes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DetectorNet(tiny_detector.model.spec())
        for head in network.heads:
            assert isinstance(head, torch.nn.Conv2d)
            torch.nn.init.normal_(head.weight[1:], std=0.5)
            torch.nn.init.uniform_(head.weight[:1], 0, 2)
        with torch.no_grad():
            for _ in range(30):  # so that its norms fit what it sees
                network(torch.randint(0, 256, (4, 96, 96, 3), dtype=torch.uint8))
    return network.eval()


@pytest.fixture(scope="session")
def tiny_detector() -> DetectorRecipe:
    """Two epochs of three steps, on small mosaics, in single precision."""
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
