"""Groups model files into networks, by their names and weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_train.errors import RunError

RECIPE = "recipe:"


@dataclass(frozen=True)
class Network:
    """A network: its ONNX file, its checkpoint if there is one, and files of the same weights."""

    name: str
    onnx: Path
    checkpoint: Path | None
    variants: tuple[Path, ...] = ()


def read_networks(arguments: Sequence[str], folder: Path) -> list[Network]:
    """Reads networks from files and from `recipe:NAME`, which is exported into `folder`.

    Files of the same weights, also those beside the arguments, are one network: the first .onnx
    is its main file, others are variants. Raises RunError for a missing file, and for a
    checkpoint without an .onnx.
    """
    from fkd_train.evaluation.comparison import distinct_names

    files = [find_or_export(name, folder) for name in arguments]
    groups: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix == ".onnx":
            groups.setdefault(_weights(file) or str(file.absolute()), []).append(file)
    networks = [(group[0], *_related_files(group, files)) for group in groups.values()]
    checkpoints = {checkpoint for _, checkpoint, _ in networks}
    for file in files:
        if file.suffix != ".onnx" and file not in checkpoints:
            raise RunError(
                file, "there is no .onnx of its weights among the arguments or beside it"
            )
    names = distinct_names([onnx for onnx, *_ in networks])
    return [
        Network(name, onnx, checkpoint, variants)
        for name, (onnx, checkpoint, variants) in zip(names, networks, strict=True)
    ]


def find_or_export(argument: str, folder: Path) -> Path:
    """Returns the file of an argument; exports an untrained network for `recipe:NAME`.

    Untrained weights need as long as trained ones. Raises RunError for a missing file.
    """
    if not argument.startswith(RECIPE):
        if not Path(argument).is_file():
            raise RunError(argument, "no such file", "name an .onnx, a .pt or recipe:NAME")
        return Path(argument)
    from fkd_train.checkpoints import save_checkpoint
    from fkd_train.config.landmarks import landmark_recipe_to_dict, load_landmark_recipe
    from fkd_train.export.landmarks import export_landmarks
    from fkd_train.models.landmarks import build_landmark_net

    recipe = load_landmark_recipe(argument.removeprefix(RECIPE))
    count = recipe.landmarks.count
    weights = build_landmark_net(recipe.model.spec(count)).state_dict()
    content = {"recipe": landmark_recipe_to_dict(recipe), "points": count, "weights": weights}
    checkpoint = folder / f"{recipe.name}-untrained.pt"
    save_checkpoint(checkpoint, {**content, "progress": {"epoch": 0}})
    return export_landmarks(checkpoint, checkpoint.with_suffix(".onnx")).path


def _related_files(
    group: Sequence[Path], files: Sequence[Path]
) -> tuple[Path | None, tuple[Path, ...]]:
    """The checkpoint and the variants of a group's first .onnx, from `files` and beside it."""
    onnx, weights = group[0], _weights(group[0])
    beside = sorted(onnx.parent.glob("*.onnx")) if weights else []
    same = [*group[1:], *(file for file in beside if _weights(file) == weights)]
    variants = {file.absolute(): file for file in same if file.absolute() != onnx.absolute()}
    return next(_checkpoints(onnx, weights, files), None), tuple(variants.values())


def _checkpoints(onnx: Path, weights: str | None, files: Sequence[Path]) -> Iterator[Path]:
    """Checkpoints of an .onnx: one of its name in `files`, one of its name beside it, then others
    of the same weights."""
    checkpoints = [file for file in files if file.suffix == ".pt"]
    yield from (file for file in checkpoints if file.stem == onnx.stem)
    named = onnx.with_suffix(".pt")
    if named.is_file():
        yield named
    beside = [file for file in sorted(onnx.parent.glob("*.pt")) if file != named]
    yield from (
        file for file in [*checkpoints, *beside] if weights and _checkpoint_weights(file) == weights
    )


@cache
def _weights(onnx: Path) -> str | None:
    """The digest of an .onnx file's weights from its card, or None."""
    from fkd_infer.runtime.session import LandmarkSession

    try:
        card = LandmarkSession(onnx, "cpu").card
    except FkdError:
        return None
    return card.training.weights_sha256 or None


@cache
def _checkpoint_weights(file: Path) -> str | None:
    from fkd_train.checkpoints import load_landmark_network
    from fkd_train.export.cards import weights_sha256

    try:
        return weights_sha256(load_landmark_network(file)[0])
    except FkdError:
        return None
