"""Files of weights: what is read, how it fits, and what is said of other files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from repo_paths import SHIPPED_MODELS
from safetensors.torch import save_file
from torch import Tensor, nn

from fkd_train.checkpoints import load_checkpoint
from fkd_train.errors import RunError
from fkd_train.weights import fit_weights, read_weights

Wrap = Callable[[dict[str, Tensor]], object]


class Network(nn.Module):
    """Names as in a landmark network: a trunk and a head in a body."""

    def __init__(self, outputs: int = 4) -> None:
        super().__init__()
        self.body = nn.ModuleDict()
        self.body["trunk"] = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.body["head"] = nn.Linear(2, outputs)


def random_weights(network: nn.Module) -> dict[str, Tensor]:
    return {n: torch.rand_like(t) for n, t in network.state_dict().items() if t.ndim}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights, "optimizer": {"lr": 0.1}},
        lambda weights: {"epoch": 3, "model_state_dict": weights},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: {f"module._orig_mod.{name}": value for name, value in weights.items()},
        lambda weights: {"state_dict": {f"net.{name}": value for name, value in weights.items()}},
        lambda weights: {name.removeprefix("body."): value for name, value in weights.items()},
        lambda weights: {name: value.double() for name, value in weights.items()},
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_reads_a_state_dict_wherever_it_is_in_a_file(
    wrap: Wrap, legacy: bool, tmp_path: Path
) -> None:
    weights, network, path = random_weights(Network()), Network(), tmp_path / "a.pth"
    torch.save(wrap(weights), path, _use_new_zipfile_serialization=not legacy)
    fit = fit_weights(network, read_weights(path), path)
    assert fit.report() == [f"8 of 8 tensors (100 % of the weights) from {path}"]
    for name, value in weights.items():
        assert torch.equal(network.state_dict()[name], value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_reads_safetensors_whatever_their_name(suffix: str, tmp_path: Path) -> None:
    weights, path = random_weights(Network()), tmp_path / f"a{suffix}"
    save_file(weights, path)
    read = read_weights(path)
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match="a damaged safetensors file"):
        read_weights(path)


def test_reads_the_weights_of_a_checkpoint() -> None:
    path = SHIPPED_MODELS / "fkdnet.pt"
    weights = load_checkpoint(path)["weights"]
    assert read_weights(path).keys() == weights.keys()


def test_a_backbones_weights_fit_under_the_prefix_that_fits_most(tmp_path: Path) -> None:
    network = Network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole = random_weights(Network())
    prefix = "body.trunk."
    weights = {n.removeprefix(prefix): t for n, t in whole.items() if n.startswith(prefix)}
    weights["fc.weight"] = torch.zeros(1000, 2)
    fit = fit_weights(network, weights, tmp_path / "backbone.pth")
    assert (fit.count, fit.total) == (6, 8)
    assert fit.missing == ("body.head.weight", "body.head.bias")
    assert fit.unused == ("fc.weight",)
    after = network.state_dict()
    assert torch.equal(after["body.trunk.0.weight"], weights["0.weight"])
    assert torch.equal(after["body.head.weight"], before["body.head.weight"])


def test_reports_other_shapes_and_shortens_long_lists(tmp_path: Path) -> None:
    weights = random_weights(Network(outputs=7))
    weights |= {f"more.{number}": torch.zeros(1) for number in range(9)}
    lines = fit_weights(Network(), weights, tmp_path / "a.pt").report()
    assert lines == [
        f"6 of 8 tensors (70 % of the weights) from {tmp_path / 'a.pt'}",
        "of another shape: body.head.weight (7, 2) in place of (4, 2), "
        "body.head.bias (7,) in place of (4,)",
        "unused: more.0, more.1, more.2 and 6 more",
    ]


def test_nothing_that_fits_is_an_error_that_names_examples(tmp_path: Path) -> None:
    weights = {"x.weight": torch.zeros(1), "y": torch.zeros(2)}
    with pytest.raises(RunError, match=r"x\.weight, y; the network's: body\.trunk\.0\.weight, "):
        fit_weights(Network(), weights, tmp_path / "a.pt")


def html(path: Path) -> None:
    path.write_text("\n <!DOCTYPE html><html><head><title>Sign in</title></head></html>")


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")


def keras(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def keras_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"")


def torchscript(path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


def exported(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/models/model.json", "{}")


def other_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(9999))


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "html": (html, "but an HTML page; download the file itself"),
    "pointer": (
        pointer,
        "but a Git LFS pointer, which stands for a file; fetch that: git lfs pull",
    ),
    "keras": (keras, "but an HDF5 file, as Keras writes"),
    "keras archive": (keras_archive, "but a Keras file"),
    "torchscript": (torchscript, "but a TorchScript file; give the module that made it"),
    "torch.export": (exported, "but a file of torch.export; give the module"),
    "zip": (other_archive, "but a zip archive without weights"),
    "compressed": (packed, "but a compressed archive"),
    "numpy": (lambda path: np.savez(path, a=np.zeros(3)), "but an archive of NumPy arrays"),
    "onnx": (
        lambda path: path.write_bytes((SHIPPED_MODELS / "fkdnet.onnx").read_bytes()),
        "but an ONNX file",
    ),
    "module": (
        lambda path: torch.save(nn.Linear(2, 2), path),
        r"objects of torch\.nn\.modules\.linear\.Linear, .*: torch\.save\(model\.state_dict",
    ),
    "empty": (lambda path: path.write_bytes(b""), "but an empty file"),
    "noise": (lambda path: path.write_bytes(b"\x80\x02 noise"), "or a damaged one"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("load", [read_weights, load_checkpoint])
def test_names_the_real_kind_of_a_file(
    load: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    write, message = FILES[kind]
    made = tmp_path / ("x.npz" if kind == "numpy" else "x.pt")
    write(made)
    path = made.rename(tmp_path / "weights.pt")
    with pytest.raises(RunError, match=message) as caught:
        load(path)
    what = "a checkpoint" if load is load_checkpoint else "a file of weights"
    assert str(caught.value).startswith(f"{path}: not {what}, ")
    assert str(caught.value).isprintable()


def test_a_checkpoint_of_weights_alone_or_in_safetensors_is_for_a_new_run(tmp_path: Path) -> None:
    torch.save(random_weights(Network()), tmp_path / "a.pt")
    save_file(random_weights(Network()), tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        with pytest.raises(RunError, match=r"not .*checkpoint.*fkd-train --init"):
            load_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [{"epoch": 3, "names": ["a"]}, [torch.zeros(3)], 5])
def test_refuses_a_file_without_named_tensors(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(RunError, match=r"holds no weights, but a (table of epoch, names|list|int)"):
        read_weights(tmp_path / "a.pt")
