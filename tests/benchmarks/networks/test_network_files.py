"""Files that are grouped into networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from repo_paths import SHIPPED_MODELS

from benchmarks.networks.network_files import Network, read_networks
from fkd_train.errors import RunError


def test_finds_a_checkpoint_by_its_name_or_by_its_weights(tmp_path: Path) -> None:
    copies = {
        "naimishnet.onnx": ("a.onnx", "a-same.onnx"),
        "naimishnet.pt": ("z.pt",),
        "fkdnet.onnx": ("n.onnx",),
        "fkdnet.pt": ("n.pt",),
    }
    for source, names in copies.items():
        for name in names:
            shutil.copy(SHIPPED_MODELS / source, tmp_path / name)
    first, second = read_networks([str(tmp_path / "a.onnx"), str(tmp_path / "n.onnx")], tmp_path)
    assert first == Network(
        "a.onnx", tmp_path / "a.onnx", tmp_path / "z.pt", (tmp_path / "a-same.onnx",)
    )
    assert second == Network("n.onnx", tmp_path / "n.onnx", tmp_path / "n.pt", ())


def test_files_of_the_same_weights_are_one_network(tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    files = [tmp_path / "net.onnx", tmp_path / "apart" / "net-fast.onnx"]
    for file in files:
        shutil.copy(SHIPPED_MODELS / "fkdnet.onnx", file)
    (network,) = read_networks([str(file) for file in files], tmp_path)
    assert (network.onnx, network.variants) == (files[0], (files[1],))


def test_networks_with_the_same_file_name_are_named_with_their_folders(tmp_path: Path) -> None:
    files = [tmp_path / "one" / "net.onnx", tmp_path / "two" / "net.onnx"]
    for file, source in zip(files, ("fkdnet.onnx", "naimishnet.onnx"), strict=True):
        file.parent.mkdir()
        shutil.copy(SHIPPED_MODELS / source, file)
    networks = read_networks([str(file) for file in files], tmp_path)
    assert [network.name for network in networks] == ["one/net.onnx", "two/net.onnx"]


def test_rejects_a_checkpoint_without_its_onnx_file(tmp_path: Path) -> None:
    shutil.copy(SHIPPED_MODELS / "fkdnet.pt", tmp_path)
    with pytest.raises(RunError, match=r"there is no \.onnx of its weights"):
        read_networks([str(tmp_path / "fkdnet.pt")], tmp_path)
