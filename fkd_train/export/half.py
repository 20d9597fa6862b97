"""Saves checkpoints with weights in half precision."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from fkd_train.checkpoints import Checkpoint, save_checkpoint


def save_half(path: Path, network: nn.Module, content: Checkpoint) -> None:
    """Writes a checkpoint without training state, its weights in half precision."""
    metadata = {key: content[key] for key in ("recipe", "points", "progress")}
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    save_checkpoint(path, {**metadata, "weights": weights})
