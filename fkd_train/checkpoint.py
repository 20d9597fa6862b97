"""Checkpoints: written whole or not at all, read as data only."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from fkd_infer.errors import RunError
from fkd_infer.wholefile import whole_file, writing
from fkd_train.config import Recipe, recipe_from_dict
from fkd_train.detector import DetectorNet
from fkd_train.detector_config import DetectorRecipe, detector_recipe_from_dict
from fkd_train.models import LandmarkNet, build
from fkd_train.recipe_kinds import is_detector

FORMAT = 1
Checkpoint = dict[str, Any]
"""Plain data and tensors: format, recipe, points, epoch, weights, and what resuming needs."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes under a temporary name, syncs, renames: a kill at any point leaves a whole file.

    Raises OutputError, and leaves what was there, where the disk is full or the folder closed.
    """
    with whole_file(path) as partial, writing(path), partial.open("wb") as file:
        # Serialised in memory: torch words a full disk as an internal error.
        content = BytesIO()
        torch.save({"format": FORMAT, **checkpoint}, content)
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint on the CPU, without running code from it.

    Raises RunError for a file that is absent, damaged, or of another format.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(path, "no such checkpoint") from error
    except Exception as error:  # the unpickler fails in as many ways as there are files
        raise RunError(path, "not a checkpoint, or a damaged one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(path, f"not an fkd checkpoint of format {FORMAT}")
    missing = {"recipe", "points", "weights", "progress"} - content.keys()
    if missing:
        raise RunError(path, f"a checkpoint without {', '.join(sorted(missing))}")
    return cast(Checkpoint, content)


def find_checkpoint(run: Path, which: str) -> Path:
    """`<run>/<which>.pt` of a run folder, or the file itself."""
    if run.is_dir():
        return run / f"{which}.pt"
    return run


def holds_detector(path: Path) -> bool:
    """Whether a checkpoint is of a detector; raises RunError as load_checkpoint does."""
    return is_detector(load_checkpoint(path)["recipe"])


def load_network(path: Path) -> tuple[LandmarkNet, Recipe, Checkpoint]:
    """The network of a checkpoint, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if is_detector(content["recipe"]):
        raise RunError(path, "holds a detector, and a network that places points is needed")
    recipe = recipe_from_dict(content["recipe"])
    network = build(recipe.model.spec(content["points"]))
    _fill(network, content, path)
    return network.eval(), recipe, content


def load_detector(path: Path) -> tuple[DetectorNet, DetectorRecipe, Checkpoint]:
    """The detector of a checkpoint, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if not is_detector(content["recipe"]):
        raise RunError(path, "holds a network that places points, and a detector is needed")
    recipe = detector_recipe_from_dict(content["recipe"])
    network = DetectorNet(recipe.model.spec())
    _fill(network, content, path)
    return network.eval(), recipe, content


def _fill(network: nn.Module, content: Checkpoint, path: Path) -> None:
    try:
        network.load_state_dict(content["weights"])
    except RuntimeError as error:
        raise RunError(path, "its weights are not those of its recipe's network") from error
