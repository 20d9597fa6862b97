"""Checkpoints: written whole or not at all, read as data only."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, cast

import torch

from fkd_infer.errors import RunError
from fkd_train.config import Recipe, recipe_from_dict
from fkd_train.models import LandmarkNet, build

FORMAT = 1
Checkpoint = dict[str, Any]
"""Plain data and tensors: format, recipe, points, epoch, weights, and what resuming needs."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes under a temporary name, syncs, renames: a kill at any point leaves a whole file."""
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, **checkpoint}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint on the CPU, without running code from it.

    Raises RunError for a file that is absent, damaged, or of another format.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(path, "no such checkpoint") from error
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise RunError(path, "not a checkpoint, or a damaged one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(path, f"not an fkd checkpoint of format {FORMAT}")
    return cast(Checkpoint, content)


def find_checkpoint(run: Path, which: str) -> Path:
    """`<run>/<which>.pt` of a run folder, or the file itself."""
    if run.is_dir():
        return run / f"{which}.pt"
    return run


def load_network(path: Path) -> tuple[LandmarkNet, Recipe, Checkpoint]:
    """The network of a checkpoint, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    recipe = recipe_from_dict(content["recipe"])
    network = build(recipe.model.spec(content["points"]))
    network.load_state_dict(content["weights"])
    return network.eval(), recipe, content
