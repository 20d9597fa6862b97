"""What the cards of landmark networks and detectors have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import onnx
from torch import nn

import fkd_infer
from fkd_infer.models.cards.base import METADATA_KEY, Card, Training
from fkd_train.choices import Split
from fkd_train.config.recipe import Recipe
from fkd_train.config.sections import DataConfig


def weights_sha256(network: nn.Module) -> str:
    """Hashes all floating-point weights, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if tensor.is_floating_point():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def training_record(recipe: Recipe, epochs: int, digest: str) -> Training:
    """Returns the origin of weights that were trained with a recipe."""
    names = " and ".join(row.name for row in recipe.data)
    split = splits(recipe.data, recipe.split)
    return Training(recipe.name, names, split, epochs, recipe.seed, digest)


def splits(configs: Sequence[DataConfig], default: Split) -> str:
    """The default split, or that of each data set if they differ."""
    used = [row.split or default for row in configs]
    if len(set(used)) < 2:
        return used[0] if used else default
    rows = zip(configs, used, strict=True)
    return ", ".join(f"{row.name} {split}" for row, split in rows)


def licence(recipe: Recipe) -> str:
    """Returns the licence of weights that were trained with a recipe."""
    return f"weights trained on: {'; '.join(row.licence for row in recipe.data)}"


def exporter_versions() -> dict[str, str]:
    """Returns the versions of the packages that write the file."""
    versions = {name: version(name) for name in ("torch", "onnx", "onnxscript")}
    return versions | {"fkd": fkd_infer.__version__}


def with_card(model: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """Sets the card of the model in place."""
    metadata: Mapping[str, str] = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, METADATA_KEY: card.to_json()})
    return model
