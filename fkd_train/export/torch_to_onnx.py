"""Exports a torch network to an ONNX graph."""

from __future__ import annotations

import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from fkd_infer.errors import one_line
from fkd_infer.models.cards.landmark import InputSpec, OutputSpec
from fkd_train.errors import NetworkError

OPSET = 18
"""The operator set of exported files, unless another is asked for."""
_OWN_CODE = tuple(str(Path(module.__file__).parent) for module in (torch, onnx) if module.__file__)
_OPERATOR = re.compile(r"OpOverload\(op='([\w.]+)', overload='\w+'\)")


@dataclass(frozen=True)
class GraphSettings:
    """The form of an exported graph: its operator set, its batch size (None: any), and whether it
    has the border, which takes uint8 (N, S, S, C) as cameras and files give it.

    Without the border, it takes float32 planes (N, C, S, S) in [0, 1], RGB or gray.
    """

    opset: int = OPSET
    batch: int | None = None
    border: bool = True

    @property
    def traced_opset(self) -> int:
        """The operator set of the first graph: torch and our passes know none before 18, so that
        lower ones are converted at the end."""
        return max(OPSET, self.opset)


DEFAULT_GRAPH = GraphSettings()


def landmarks_to_onnx(
    network: nn.Module, name: str, spec: InputSpec, output: OutputSpec, form: GraphSettings
) -> onnx.ModelProto:
    """Exports a network with these inputs and outputs; raises NetworkError, with its name."""
    # The exporter would make a batch of one a constant.
    count = 2 if form.batch is None else form.batch
    dtype = torch.uint8 if form.border else torch.float32
    example = torch.zeros(count, *spec.shape, dtype=dtype)
    axes = {0: torch.export.Dim("batch", min=1)} if form.batch is None else {}
    try:
        return torch_to_onnx(network, example, output.names, axes, form.traced_opset)
    except NetworkError as error:
        raise error.about(name) from error


def torch_to_onnx(
    network: nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    dynamic_axes: dict[int, Any],
    opset: int,
) -> onnx.ModelProto:
    """Exports the graph of a network, from the input `image` to the named outputs.

    `dynamic_axes` are the axes of `image` with any size, as torch.export.Dim. Raises NetworkError
    for code that torch.export cannot follow, and for operators that ONNX does not have.
    """
    try:
        with _quiet():
            exported = torch.onnx.export(
                network,
                (example,),
                input_names=["image"],
                output_names=list(outputs),
                dynamic_shapes={"image": dynamic_axes},
                opset_version=opset,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # torch's errors, and those of the network's own code
        raise _explained(error, network, example) from error
    assert exported is not None
    model = exported.model_proto
    sides = model.graph.input[0].type.tensor_type.shape.dim
    # torch makes sizes constant that the code does not allow to be any.
    if constant := [axis for axis in dynamic_axes if sides[axis].HasField("dim_value")]:
        what = "a batch" if constant == [0] else f"axis {constant[-1]} of the image"
        problem = f"its code makes the size of {what} a constant"
        fix = "use x.shape[0] or -1 in its shapes, without int(), or export it with --batch N"
        raise NetworkError("", problem, fix)
    _remove_stack_traces(model)
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences torch.export, which warns of deprecations inside of itself, notices that
    torchvision's operators are missing, and prints graphs that it could not complete."""
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    logging.getLogger("torch.fx.experimental.symbolic_shapes").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield


def _explained(error: Exception, network: nn.Module, example: torch.Tensor) -> NetworkError:
    """What stopped an export, where in the network's code, and what to do."""
    texts = [str(each) for each in _chain(error)]
    place = _user_code(error)
    if missing := next(filter(None, map(_OPERATOR.search, texts)), None):
        place = place or _place_of(missing[1], network, example)
        problem = f"ONNX has no operator for torch's {missing[1]}{place}"
        return NetworkError("", problem, "compute it by other operators")
    if any("data-dependent" in text for text in texts):
        problem = f"torch.export cannot follow a branch or a size that depends on values{place}"
        return NetworkError("", problem, "compute it without, for example by torch.where")
    *_, cause = _chain(error)
    reason = one_line(cause).partition(" For more information")[0]
    problem = f"torch.export stopped{place}: {reason[:300]}"
    return NetworkError("", problem, "it follows tensor operations only; --debug shows all")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _user_code(error: Exception) -> str:
    """The last line of the network's own code on the way to an error."""
    for each in _chain(error):
        frames = traceback.extract_tb(each.__traceback__)
        own = [f for f in frames if f.line and not _is_library(f.filename)]
        if own:
            return f" at {own[-1].filename}:{own[-1].lineno}, `{own[-1].line}`"
    return ""


def _is_library(file: str) -> bool:
    return file.startswith((*_OWN_CODE, str(Path(__file__).parents[1]), "<"))


def _place_of(operator: str, network: nn.Module, example: torch.Tensor) -> str:
    """The line of the network's code that calls an operator.

    The exporter has replaced some operators by inner ones, such as linalg_svd by _linalg_svd.
    """
    with _quiet():
        program = torch.export.export(network, (example,), strict=False)
    name = operator.partition(".")[2].lstrip("_")
    for node in program.graph.nodes:
        if f".{name}." in str(node.target):
            stack = node.stack_trace or ""
            lines = re.findall(r'File "([^"]+)", line (\d+), in .*\n\s*(.*)', stack)
            if lines:
                file, number, code = lines[-1]
                return f" at {file}:{number}, `{code}`"
    return ""


def _remove_stack_traces(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes, which name files of this machine."""
    graphs = [model.graph, *model.functions]
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    nodes = [node for graph in graphs for node in graph.node]
    for part in [model, *graphs, *values, *nodes, *model.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]
