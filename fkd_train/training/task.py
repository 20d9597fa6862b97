"""What is trained in a run, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor, nn
from torch.utils.data import Dataset

from fkd_infer.geometry.arrays import Floats
from fkd_train.checkpoints import Checkpoint
from fkd_train.config.recipe import Recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data.dataset import evaluation_part
from fkd_train.data.faces import Faces
from fkd_train.data.fingerprint import Fingerprints, digest, fingerprint_faces
from fkd_train.data.loader import Batch
from fkd_train.evaluation.metrics import EpochMetrics, LogRow


@dataclass(frozen=True)
class TrainingTask:
    """A network with its samples, its loss and its evaluation.

    `count` is the number of samples per epoch; `loss` computes the loss of a batch under the given
    model, and `validate` the metrics of the network after an epoch. `finish` evaluates the trained
    network, plots the log's rows, and returns a one-line summary. The last two are for the main
    process.
    `points` are the points that the network predicts, `data` the fingerprints of all its faces.
    """

    network: nn.Module
    samples: Dataset[Batch]
    count: int
    loss: Callable[[nn.Module, Batch], Tensor]
    validate: Callable[[nn.Module], EpochMetrics]
    finish: Callable[[nn.Module, list[LogRow]], str]
    points: int
    data: Fingerprints


class RunData(NamedTuple):
    """The faces of a run, and the fingerprints of all of them."""

    training: Faces
    evaluation: Faces
    fingerprints: Fingerprints


@dataclass(frozen=True)
class RunIdentity:
    """The recipe and the data of a run, as its checkpoints record them."""

    recipe: Recipe
    points: int
    data: Fingerprints

    @cached_property
    def data_digest(self) -> str:
        """One sha256 of all data."""
        return digest(self.data)

    @property
    def selects_best(self) -> bool:
        """Whether best.pt is the epoch with the lowest error; otherwise it is the latest one, since
        the official test rows must not select anything."""
        return self.recipe.split != "official"

    def header(self) -> Checkpoint:
        """The part of every checkpoint that describes the network and its data."""
        recipe = recipe_to_dict(self.recipe)
        return {"recipe": recipe, "points": self.points, "data": self.data_digest}

    def has_same_data(self, saved: Checkpoint) -> bool:
        """Whether a checkpoint was trained on this data; old checkpoints do not record it."""
        return bool(saved.get("data", self.data_digest) == self.data_digest)

    def matches(self, saved: Checkpoint) -> bool:
        """Whether a checkpoint has this recipe and this data."""
        return recipe_from_dict(saved["recipe"]) == self.recipe and self.has_same_data(saved)


def fingerprint_run(
    recipe: Recipe,
    training: Faces,
    evaluation: Faces,
    read_others: Callable[[str], Mapping[str, Floats]] = lambda _part: {},
) -> Fingerprints:
    """Fingerprints all faces of a run; `read_others` reads the boxes of further faces by part."""
    uses = (
        ("training", "training", training),
        ("evaluation", evaluation_part(recipe.split), evaluation),
    )
    fingerprints: Fingerprints = ()
    for use, part, faces in uses:
        fingerprints += fingerprint_faces(use, part, faces, read_others(part))
    return fingerprints
