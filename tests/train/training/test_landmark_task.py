"""The loss of a landmark network: which points it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.data.loader import Batch
from fkd_train.distributed.peers import Peers
from fkd_train.training.landmark_task import landmark_task
from fkd_train.training.task import TrainingTask

SCORED = {
    "name": "fkdnet",
    "size": 64,
    "head": "grid",
    "score": True,
    "spread": True,
    "trunk": {"stem": 4, "widths": [8, 8], "depths": [1, 1]},
}


@pytest.fixture(scope="module")
def recipe() -> LandmarkRecipe:
    return landmark_recipe_from_dict(
        {
            "name": "scored",
            "summary": "for tests",
            "split": "official",
            "epochs": 1,
            "batch": 4,
            "model": SCORED,
            "crop": {"scale": 1.25},
            "loss": {"name": "wing", "score": 1.0, "spread": 1.0},
            "optimizer": {"name": "adamw", "lr": 1e-3},
            "augment": {"unframed": 0.2},
        }
    )


@pytest.fixture(scope="module")
def task(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainingTask:
    peers = Peers(tmp_path_factory.mktemp("task"))
    return landmark_task(recipe, drawn_data, Accelerator(cpu=True), peers)


@pytest.fixture(scope="module")
def batch(task: TrainingTask) -> Batch:
    """Eight crops; at least one shows no face."""
    rows = [task.samples[0, number] for number in range(8)]
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


def loss_and_gradient(task: TrainingTask, batch: Batch) -> tuple[Tensor, Tensor]:
    network = task.network.train()
    network.zero_grad()
    loss = task.loss(network, batch)
    torch.autograd.backward(loss)
    return loss.detach(), torch.cat(
        [p.grad.ravel() for p in network.parameters() if p.grad is not None]
    )


@pytest.mark.parametrize("point", [0, 30])
def test_a_point_without_a_label_has_no_influence(
    task: TrainingTask, batch: Batch, point: int
) -> None:
    images, points, weights, *others = batch
    weights = weights.clone()
    weights[:, point] = 0
    moved = points.clone()
    moved[:, point] += 500
    before = loss_and_gradient(task, (images, points, weights, *others))
    after = loss_and_gradient(task, (images, moved, weights, *others))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    with_label = loss_and_gradient(task, (images, moved, batch[2], *others))
    assert not torch.equal(after[0], with_label[0])


def test_crops_without_a_face_have_no_points(task: TrainingTask, batch: Batch) -> None:
    _, _, weights, presence, *_ = batch
    assert 0 < presence.sum() < 8
    assert torch.equal(weights, presence[:, None].expand(-1, 68))
