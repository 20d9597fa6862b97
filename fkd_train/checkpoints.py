"""Checkpoints: written whole or not at all, read as data only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import nn

from fkd_infer.landmarks.schemes import LARGEST
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
_MOST_EPOCHS = 1_000_000_000


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a whole file: a kill at any point leaves the one before.

    Raises OutputError, and leaves what was there, where the disk is full or the folder closed.
    """
    # Serialised in memory: torch words a full disk as an internal error.
    content = BytesIO()
    torch.save({"format": FORMAT, **checkpoint}, content)
    with atomic_write(path) as partial, output_errors(path):
        partial.write_bytes(content.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint on the CPU, without running code from it.

    Raises RunError for a file that is absent, damaged, or of another format.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            _check_archive(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(path, "no such checkpoint") from error
    except OSError as error:
        raise RunError(path, f"not a checkpoint: {error.strerror or error}") from error
    except Exception as error:  # the unpickler fails in as many ways as there are files
        raise RunError(path, "not a checkpoint, or a damaged one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunError(path, f"not an fkd checkpoint of format {FORMAT}")
    missing = {"recipe", "points", "weights", "progress"} - content.keys()
    if missing:
        raise RunError(path, f"a checkpoint without {', '.join(sorted(missing))}")
    _check_content(content, size, path)
    return cast(Checkpoint, content)


def _check_archive(file: BinaryIO) -> None:
    """Raises an error for a file that is not as torch.save writes it: nothing in it is packed, so
    that it cannot be larger in memory than on the disk."""
    with ZipFile(file) as archive:
        if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
            raise ValueError("torch packs nothing")
    file.seek(0)


def _check_content(content: dict[str, Any], size: int, path: Path) -> None:
    """Raises RunError where what every checkpoint has is not of its type, or absurd; `size` are the
    bytes of its file."""
    recipe, points, weights = content["recipe"], content["points"], content["weights"]
    progress = content["progress"]
    epoch = progress.get("epoch") if isinstance(progress, dict) else None
    wrong = {
        "recipe": not isinstance(recipe, dict),
        "points": type(points) is not int or not 0 < points <= LARGEST,
        "weights": not _are_weights(weights, size),
        "progress": type(epoch) is not int or not 0 <= epoch <= _MOST_EPOCHS,
    }
    found = [name for name, is_wrong in wrong.items() if is_wrong]
    if found:
        raise RunError(path, f"a checkpoint whose {', '.join(found)} cannot be right")


def _are_weights(weights: object, most: int) -> bool:
    """Whether something is named tensors of so many bytes at most, which a tensor that says that
    its one number is a terabyte of them is not."""
    if not isinstance(weights, dict):
        return False
    sizes = [t.numel() * t.element_size() for t in weights.values() if isinstance(t, torch.Tensor)]
    return len(sizes) == len(weights) and sum(sizes) <= most


def find_checkpoint(run: Path, which: str) -> Path:
    """`<run>/<which>.pt` of a run folder, or the file itself."""
    if run.is_dir():
        return run / f"{which}.pt"
    return run


def holds_detector(path: Path) -> bool:
    """Whether a checkpoint is of a detector; raises RunError as load_checkpoint does."""
    return is_detector(load_checkpoint(path)["recipe"])


def load_landmark_network(path: Path) -> tuple[LandmarkNet, LandmarkRecipe, Checkpoint]:
    """The network of a checkpoint, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if is_detector(content["recipe"]):
        raise RunError(path, "holds a detector, and a network that places points is needed")
    with _recipe_of(path):
        recipe = landmark_recipe_from_dict(content["recipe"])
        spec = recipe.model.spec(content["points"])
        return _filled(lambda: build_landmark_net(spec), content, path), recipe, content


def load_detector(path: Path) -> tuple[DetectorNet, DetectorRecipe, Checkpoint]:
    """The detector of a checkpoint, ready for inference, with its recipe."""
    content = load_checkpoint(path)
    if not is_detector(content["recipe"]):
        raise RunError(path, "holds a network that places points, and a detector is needed")
    with _recipe_of(path):
        recipe = detector_recipe_from_dict(content["recipe"])
        spec = recipe.model.spec()
        return _filled(lambda: DetectorNet(spec), content, path), recipe, content


@contextmanager
def _recipe_of(path: Path) -> Iterator[None]:
    """Names the checkpoint where the block finds something wrong with its recipe."""
    try:
        yield
    except RecipeError as error:
        raise RunError(path, f"holds a recipe that is not one of this fkd's: {error}") from error


def _filled(make: Callable[[], Network], content: Checkpoint, path: Path) -> Network:
    """A network with a checkpoint's weights, ready for inference."""
    weights = content["weights"]
    try:
        # Without memory, however large its recipe says that it is.
        with torch.device("meta"):
            wanted = {name: value.shape for name, value in make().state_dict().items()}
        if wanted != {name: value.shape for name, value in weights.items()}:
            raise RunError(path, "its weights are not those of its recipe's network")
        network = make()
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(path, "its weights are not those of its recipe's network") from error
    return network.eval()
