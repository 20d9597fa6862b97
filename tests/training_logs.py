"""Reads what training runs leave in their folders."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from fkd_train.checkpoints import load_checkpoint


def read_log(out: Path) -> list[dict[str, str]]:
    """The rows of a run's log."""
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))


def saved_epoch(path: Path) -> int:
    """The epoch of a checkpoint."""
    epoch: int = load_checkpoint(path)["progress"]["epoch"]
    return epoch


def assert_same_weights(first: Path, second: Path) -> None:
    """Fails unless the last checkpoints of two runs have the same epoch and weights, bit by bit."""
    a, b = (load_checkpoint(out / "last.pt") for out in (first, second))
    assert a["progress"]["epoch"] == b["progress"]["epoch"]
    for part in ("network", "weights"):
        assert a[part].keys() == b[part].keys()
        for name, tensor in a[part].items():
            assert torch.equal(tensor, b[part][name]), f"{part}.{name}"
