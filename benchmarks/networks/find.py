"""The networks to measure: files that belong together, found by name or by their weights."""

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
    """One network: its ONNX file, its checkpoint where there is one, and what was made of them."""

    name: str
    onnx: Path
    checkpoint: Path | None
    variants: tuple[Path, ...] = ()


def read_networks(given: Sequence[str], folder: Path) -> list[Network]:
    """The networks of files and of `recipe:NAME`, which are exported into `folder`.

    Files of the same weights make up one network: the first .onnx of them is the network as it
    is, the others are its variants; those beside it belong to it too. Raises RunError for a file
    that is not there, and for a checkpoint without an .onnx.
    """
    from fkd_train.evaluation.comparison import distinct_names

    files = [prepared(name, folder) for name in given]
    groups: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix == ".onnx":
            groups.setdefault(_weights(file) or str(file.absolute()), []).append(file)
    pairs = [(group[0], *_completed(group, files)) for group in groups.values()]
    paired = {pair[1] for pair in pairs}
    for file in files:
        if file.suffix != ".onnx" and file not in paired:
            raise RunError(file, "there is no .onnx of it among the given or beside it")
    names = distinct_names([first for first, *_ in pairs])
    return [
        Network(name, first, checkpoint, variants)
        for name, (first, checkpoint, variants) in zip(names, pairs, strict=True)
    ]


def prepared(contender: str, folder: Path) -> Path:
    """The file of a contender; of `recipe:NAME`, an untrained network of that recipe, exported.

    Untrained weights take as long as trained ones. Raises RunError for a file that is not there.
    """
    if not contender.startswith(RECIPE):
        if not Path(contender).is_file():
            raise RunError(contender, "no such network", "give an .onnx, a .pt or recipe:NAME")
        return Path(contender)
    from fkd_train.checkpoints import save_checkpoint
    from fkd_train.config.landmarks import landmark_recipe_to_dict, load_landmark_recipe
    from fkd_train.export.landmarks import export
    from fkd_train.models.landmarks import build_landmark_net

    recipe = load_landmark_recipe(contender.removeprefix(RECIPE))
    count = recipe.landmarks.count
    weights = build_landmark_net(recipe.model.spec(count)).state_dict()
    content = {"recipe": landmark_recipe_to_dict(recipe), "points": count, "weights": weights}
    checkpoint = folder / f"{recipe.name}-untrained.pt"
    save_checkpoint(checkpoint, {**content, "progress": {"epoch": 0}})
    return export(checkpoint, checkpoint.with_suffix(".onnx")).path


def _completed(
    group: Sequence[Path], files: Sequence[Path]
) -> tuple[Path | None, tuple[Path, ...]]:
    """The checkpoint and the variants of an .onnx, from the given files and those beside it."""
    first, weights = group[0], _weights(group[0])
    beside = sorted(first.parent.glob("*.onnx")) if weights else []
    same = [*group[1:], *(file for file in beside if _weights(file) == weights)]
    variants = {file.absolute(): file for file in same if file.absolute() != first.absolute()}
    return next(_checkpoints(first, weights, files), None), tuple(variants.values())


def _checkpoints(onnx: Path, weights: str | None, files: Sequence[Path]) -> Iterator[Path]:
    """Checkpoints of an .onnx: given ones first, then one of its name, then any beside it."""
    given = [file for file in files if file.suffix == ".pt"]
    yield from (file for file in given if file.stem == onnx.stem)
    named = onnx.with_suffix(".pt")
    if named.is_file():
        yield named
    beside = [file for file in sorted(onnx.parent.glob("*.pt")) if file != named]
    yield from (file for file in [*given, *beside] if weights and _of_checkpoint(file) == weights)


@cache
def _weights(onnx: Path) -> str | None:
    """The digest of the weights that the file was made of, as its card has it; None without."""
    from fkd_infer.runtime.session import LandmarkSession

    try:
        card = LandmarkSession(onnx, "cpu").card
    except FkdError:
        return None
    return card.training.weights_sha256 or None


@cache
def _of_checkpoint(file: Path) -> str | None:
    from fkd_train.checkpoints import load_landmark_network
    from fkd_train.export.landmarks import weights_sha256

    try:
        return weights_sha256(load_landmark_network(file)[0])
    except FkdError:
        return None
