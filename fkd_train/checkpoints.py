"""Checkpoints: written atomically, and read as data only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import nn

from fkd_infer.landmarks.schemes import MAX_POINTS
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.reading import open_regular
from fkd_train.config.detector import DetectorRecipe, detector_recipe_from_dict
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.config.recipe import is_detector
from fkd_train.errors import RecipeError, RunError
from fkd_train.models.detector import DetectorNet
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net

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
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            _check_uncompressed(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(path, "no such checkpoint") from error
    except OSError as error:
        raise RunError(path, f"not a checkpoint: {error.strerror or error}") from error
    except Exception as error:  # the unpickler raises many kinds of errors
        raise RunError(path, "not a checkpoint, or a damaged one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(path, f"not an fkd checkpoint of format {FORMAT}")
    missing = {"recipe", "points", "weights", "progress"} - content.keys()
    if missing:
        raise RunError(path, f"a checkpoint without {', '.join(sorted(missing))}")
    _check_content(content, size, path)
    return cast(Checkpoint, content)


def _check_uncompressed(file: BinaryIO) -> None:
    """Raises an error if an entry is compressed, which torch.save never does: such a file could be
    far larger in memory than on disk."""
    with ZipFile(file) as archive:
        if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
            raise ValueError("a compressed entry")
    file.seek(0)


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


def load_initial_weights(network: nn.Module, path: Path) -> None:
    """Starts a network with the weights of a checkpoint, of its own kind and size.

    Raises RunError for a file that is no checkpoint, and for weights that do not fit.
    """
    weights = load_checkpoint(path)["weights"]
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        fix = "use a recipe with the same model as the checkpoint's"
        raise RunError(path, "its weights do not fit the recipe's network", fix) from error


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
