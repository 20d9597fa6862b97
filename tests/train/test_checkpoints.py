"""Writing checkpoints, and reading damaged ones."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
import torch

from fkd_infer.errors import OutputError
from fkd_train.checkpoints import load_checkpoint, save_checkpoint
from fkd_train.errors import RunError


def test_a_failed_save_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        save_checkpoint(path, {"epoch": 2, "cannot be pickled": lambda: None})
    assert path.read_bytes() == before
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt: cannot be written: File too large"):
            save_checkpoint(path, {"epoch": 2, "weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("content", [b"", b"hello", b"(", b"G", b"PK\x03\x04 not really a zip"])
def test_refuses_a_damaged_checkpoint_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"last\.pt: not a checkpoint"):
        load_checkpoint(path)


def test_refuses_a_checkpoint_without_a_recipe(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x.pt", {"weights": {}, "points": 68, "progress": {}})
    with pytest.raises(RunError, match="a checkpoint without recipe"):
        load_checkpoint(tmp_path / "x.pt")


def test_refuses_a_checkpoint_with_arbitrary_objects(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "path": Path("x")}, path)
    with pytest.raises(RunError, match="not a checkpoint"):
        load_checkpoint(path)
