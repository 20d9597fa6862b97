"""Checkpoints: written atomically, and read as data only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from fkd_infer.landmarks.schemes import MAX_POINTS
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.text_checks import short_repr
from fkd_train.config.detector import DetectorRecipe, detector_recipe_from_dict
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.config.recipe import is_detector
from fkd_train.errors import RecipeError, RunError
from fkd_train.models.detector import DetectorNet
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net
from fkd_train.weights import read_torch_file

FORMAT = 1
Checkpoint = dict[str, Any]
"""Plain data and tensors: format, recipe, points, epoch, weights, and what resuming needs."""
Network = TypeVar("Network", bound=nn.Module)
_MAX_EPOCHS = 1_000_000_000
_WRONG_WEIGHTS = "its weights do not fit its recipe's network"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically.

    Raises OutputError, and leaves the previous file, if the disk is full or the folder read-only.
    """
    # Serialised in memory, since torch reports a full disk as an internal error.
    content = BytesIO()
    torch.save({"format": FORMAT, **checkpoint}, content)
    with atomic_write(path) as partial, output_errors(path):
        partial.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint to the CPU, without running code from it.

    Raises RunError for a file that is missing, damaged, or of another format.
    """
    content = read_torch_file(path, "a checkpoint")
    if not isinstance(content, dict) or "format" not in content:
        fix = (
            "weights alone start a run (fkd-train --init), or are exported with their network "
            "(fkd-export package.module:factory --weights)"
        )
        raise RunError(path, "not an fkd checkpoint, which has a recipe beside its weights", fix)
    if content["format"] != FORMAT:
        given = short_repr(content["format"])
        raise RunError(path, f"a checkpoint of format {given}, and this version reads {FORMAT}")
    missing = {"recipe", "points", "weights", "progress"} - content.keys()
    if missing:
        raise RunError(path, f"a checkpoint without {', '.join(sorted(missing))}")
    _check_content(content, path.stat().st_size, path)
    return cast(Checkpoint, content)


def _check_content(content: dict[str, Any], size: int, path: Path) -> None:
    """Raises RunError if a required value has a wrong type or an absurd value; `size` is the file's
    in bytes."""
    progress = content["progress"]
    points = content["points"]
    epoch = progress.get("epoch") if isinstance(progress, dict) else None
    is_valid = {
        "recipe": isinstance(content["recipe"], dict),
        "points": type(points) is int and 0 < points <= MAX_POINTS,
        "weights": _are_weights(content["weights"], size),
        "progress": type(epoch) is int and 0 <= epoch <= _MAX_EPOCHS,
    }
    invalid = [name for name, valid in is_valid.items() if not valid]
    if invalid:
        raise RunError(path, f"a checkpoint with invalid {', '.join(invalid)}")


def _are_weights(weights: object, max_bytes: int) -> bool:
    """Whether this is a dict of tensors that together have at most `max_bytes`; a tensor can claim
    a terabyte while it stores a single number."""
    if not isinstance(weights, dict):
        return False
    sizes = [t.numel() * t.element_size() for t in weights.values() if isinstance(t, torch.Tensor)]
    return len(sizes) == len(weights) and sum(sizes) <= max_bytes


def find_checkpoint(run: Path, which: str) -> Path:
    """`<run>/<which>.pt` for a run folder, or the file itself."""
    if run.is_dir():
        return run / f"{which}.pt"
    return run


def holds_detector(path: Path) -> bool:
    """Whether a checkpoint is a detector's; raises RunError as load_checkpoint does."""
    return is_detector(load_checkpoint(path)["recipe"])


def load_landmark_network(path: Path) -> tuple[LandmarkNet, LandmarkRecipe, Checkpoint]:
    """Loads a landmark network, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if is_detector(content["recipe"]):
        raise RunError(path, "holds a detector, but a landmark network is needed")
    with _recipe_errors(path):
        recipe = landmark_recipe_from_dict(content["recipe"])
        spec = replace(recipe.spec(), points=content["points"]).without_pretrained()
        network = _with_weights(lambda: build_landmark_net(spec), content, path)
    return network, recipe, content


def load_detector(path: Path) -> tuple[DetectorNet, DetectorRecipe, Checkpoint]:
    """Loads a detector, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if not is_detector(content["recipe"]):
        raise RunError(path, "holds a landmark network, but a detector is needed")
    with _recipe_errors(path):
        recipe = detector_recipe_from_dict(content["recipe"])
        spec = recipe.model.spec()
        network = _with_weights(lambda: DetectorNet(spec), content, path)
    return network, recipe, content


@contextmanager
def _recipe_errors(path: Path) -> Iterator[None]:
    """Turns a RecipeError of the block into a RunError that names the checkpoint."""
    try:
        yield
    except RecipeError as error:
        raise RunError(path, f"holds a recipe that this version cannot read: {error}") from error


def _with_weights(build: Callable[[], Network], content: Checkpoint, path: Path) -> Network:
    """Builds a network and loads a checkpoint's weights, for inference."""
    weights = content["weights"]
    try:
        # The meta device allocates no memory, however large the recipe's network is.
        with torch.device("meta"):
            shapes = {name: value.shape for name, value in build().state_dict().items()}
        if shapes != {name: value.shape for name, value in weights.items()}:
            raise RunError(path, _WRONG_WEIGHTS)
        network = build()
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(path, _WRONG_WEIGHTS) from error
    return network.eval()
