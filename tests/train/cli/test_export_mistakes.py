"""Mistakes of newcomers to fkd-export: each ends in one line that says what to do."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest
import torch
from click.testing import CliRunner
from dot_faces import SCHEME, DotNet, write_onnx
from onnx import TensorProto, helper
from torch import Tensor, nn

from fkd_train.cli.export import main
from fkd_train.models.spec import ModelSpec


class Raises(nn.Module):
    """A network that fails when it is called."""

    def forward(self, _planes: Tensor) -> Tensor:
        raise KeyError("no such layer")


class Branches(DotNet):
    """A network that decides by the values of its input."""

    def forward(self, planes: Tensor) -> Tensor:
        return super().forward(planes) if planes.mean() > 0 else super().forward(-planes)


class OneBatch(DotNet):
    """A network whose code knows the size of the batch."""

    def forward(self, planes: Tensor) -> Tensor:
        return super().forward(planes).view(int(planes.shape[0]), 5, 2)


class Heatmaps(nn.Module):
    """A network without the last step."""

    def forward(self, planes: Tensor) -> Tensor:
        return planes.mean(1, keepdim=True).expand(-1, 5, -1, -1)


class NoOperator(DotNet):
    """A network with an operator that ONNX does not have."""

    def forward(self, planes: Tensor) -> Tensor:
        points: Tensor = torch.linalg.svd(super().forward(planes))[0] @ super().forward(planes)
        return points


def raising(_spec: ModelSpec) -> nn.Module:
    """A factory that fails."""
    raise RuntimeError("no weights here")


def no_module(_spec: ModelSpec) -> object:
    """A factory of something else."""
    return {"layers": 3}


NUMBER = 3
DOTS = ("--input", "64x64x3", "--crop", "1.5", "--scheme", "dots.toml")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scheme, and files that are not what they seem."""
    path = tmp_path_factory.mktemp("files")
    (path / "dots.toml").write_text(SCHEME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still around
        script = torch.jit.trace(DotNet(), torch.zeros(1, 3, 64, 64))  # type: ignore[no-untyped-call]
        torch.jit.save(script, path / "script.pt")
    torch.save(DotNet().state_dict(), path / "state.pt")
    torch.save({"colours": torch.zeros(5, 4)}, path / "reshaped.pt")
    torch.save({"other": torch.zeros(5)}, path / "unrelated.pt")
    torch.save({"colours": torch.full((5, 3), torch.nan)}, path / "nan.pt")
    torch.save(DotNet(), path / "whole.pt")
    (path / "page.pt").write_text("<!doctype html><html></html>")
    (path / "text.onnx").write_text("hello")
    write_onnx(path / "theirs.onnx")
    _write(path / "loop.onnx", "If")
    _write(path / "custom.onnx", "DeformablePooling", "mmdeploy")
    _write(path / "vector.onnx", "Relu", shape=(1, 10))
    return path


@pytest.fixture
def folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as the current one, and this module, as one that is installed."""
    monkeypatch.chdir(files)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return files


def _write(
    path: Path, kind: str, domain: str = "", shape: tuple[int, ...] = (1, 3, 64, 64)
) -> None:
    """Writes a network of one operator."""
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "b", [], [])
    branch.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, shape))
    attributes = {"then_branch": branch, "else_branch": branch} if kind == "If" else {}
    inputs = ["c"] if kind == "If" else ["x"]
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["c"], value_int=1),
            helper.make_node(kind, inputs, ["y"], domain=domain, **attributes),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


HERE = "test_export_mistakes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere:net", *DOTS], "there is no module nowhere; install it, or name the folder"),
        ([f"{HERE}:missing", *DOTS], f"{HERE} has no missing; there are: Raises, Branches"),
        ([f"{HERE}:NUMBER", *DOTS], "NUMBER is a int, not a function or class"),
        (["net.py:net", *DOTS], "names a file; write the module alone: net:net"),
        (["dot_faces:network", *DOTS, "--weights", "nan.pt"], "colours holds values that are not"),
        (["subprocess:run", *DOTS], "names Python's own module subprocess"),
        ([f"{HERE}:raising", *DOTS], "raising raised RuntimeError: no weights here"),
        ([f"{HERE}:no_module", *DOTS], "no_module returned a dict, not a torch.nn.Module"),
        ([f"{HERE}:Raises", *DOTS], "does not run on an input (2, 3, 64, 64): KeyError"),
        ([f"{HERE}:Branches", *DOTS], "test_export_mistakes.py:"),
        ([f"{HERE}:NoOperator", *DOTS], "ONNX has no operator for torch's aten._linalg_svd at"),
        ([f"{HERE}:OneBatch", *DOTS], "the size of a batch a constant; use x.shape[0] or -1"),
        ([f"{HERE}:Heatmaps", *DOTS], "(2, 5, 64, 64), not (N, 5, 2) or (N, 10) for 5 points"),
        (["dot_faces:network", "--crop", "1.5", "--scheme", "dots.toml"], "add --input HxWxC"),
        (["dot_faces:network", "--input", "64x64x3", "--crop", "1"], "add --scheme NAME"),
        (["dot_faces:network", *DOTS[:4]], "what its points are is not stated"),
        (["dot_faces:network", *DOTS[:4], "--scheme", "no"], "no scheme is called 'no'; there are"),
        (["dot_faces:network", *DOTS[:4], "--scheme", "no.toml"], "no.toml: No such file"),
        (["dot_faces:network", *DOTS[:2], *DOTS[4:]], "add --crop SCALE (of the points' box), or"),
        (["dot_faces:network", *DOTS[:4], "--scheme", "ibug68"], "for 68 points; name its points'"),
        (
            ["dot_faces:network", *DOTS, "--weights", "script.pt"],
            "but a TorchScript file; give the",
        ),
        (["dot_faces:network", *DOTS, "--weights", "whole.pt"], "a pickle with objects of"),
        (["dot_faces:network", *DOTS, "--weights", "page.pt"], "but an HTML page; download"),
        (["dot_faces:network", *DOTS, "--weights", "gone.pt"], "gone.pt: no such file of weights"),
        (["dot_faces:network", *DOTS, "--weights", "unrelated.pt"], "none of its weights fits"),
        (["dot_faces:network", *DOTS, "--weights", "reshaped.pt"], "fits the network; its names"),
        (["dot_faces:network", *DOTS, "--weights", "theirs.onnx"], "but an ONNX file; only"),
        (["dot_faces:network", *DOTS, "--color", "gray"], "--color gray does not fit 3 channels"),
        (["dot_faces:network", *DOTS, "--input", "96x64x3"], "is not square, and crops of faces"),
        (["dot_faces:network", *DOTS, "--input", "64,64"], "is not HEIGHTxWIDTHxCHANNELS"),
        (["dot_faces:network", *DOTS, "--mean", "0.5,0.5"], "has 2 numbers, not 1 or 3"),
        (["dot_faces:network", *DOTS, "--std", "0"], "has a number that is not above 0"),
        (["dot_faces:network", *DOTS, "--input-range", "1..0"], "'1..0' does not rise"),
        (["dot_faces:network", *DOTS, "--half", "h.pt"], "are for checkpoints of fkd-train"),
        (["text.onnx", *DOTS], "text.onnx: "),
        (["gone.onnx", *DOTS], "gone.onnx: no such file"),
        (["loop.onnx", *DOTS], "it has the operators If; export the network without branches"),
        (["custom.onnx", *DOTS], "its operator 'DeformablePooling' of 'mmdeploy' is not allowed"),
        (["vector.onnx", *DOTS], "its input is x (1, 10), which does not fit --input 64x64x3"),
        (
            ["theirs.onnx", *DOTS, "--input-layout", "nhwc"],
            "not fit --input 64x64x3 --input-l",
        ),
        (["theirs.onnx", *DOTS, "--weights", "state.pt"], "an ONNX file has its weights; remove"),
        (["theirs.onnx", *DOTS, "--points-output", "x"], "it has no output 'x', but landmarks"),
        (["script.pt"], "but a TorchScript file; give the module that made it"),
        (["state.pt", "--scheme", "five"], "--scheme are for networks of your own, and state.pt"),
        (["state.pt", "--optimize", "auto", "--data", "."], "--out is out.onnx; name a folder"),
        (["state.pt", "--triton-device", "gpu"], "--triton-device gpu needs --triton REPO"),
        (["state.pt", "--triton", "r", "--triton-tensorrt", "fp16"], "needs --triton-device gpu"),
        (["state.pt", "--triton-engine-cache", "e"], "cache needs --triton-tensorrt"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_each_mistake_is_told_in_one_line(arguments: list[str], message: str, folder: Path) -> None:
    result = CliRunner().invoke(main, [*arguments, "--out", "out.onnx"], catch_exceptions=False)
    assert result.exit_code in (1, 2), result.output
    *_, line = result.output.strip().splitlines()
    assert message in line
    assert not (folder / "out.onnx").exists()
