"""Exports a torch network to an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch import nn

OPSET = 18


def torch_to_onnx(
    network: nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    dynamic_axes: dict[int, Any],
    opset: int,
) -> onnx.ModelProto:
    """Exports the graph of a network, from the input `image` to the named outputs.

    `dynamic_axes` are the axes of `image` with any size, as torch.export.Dim.
    """
    with warnings.catch_warnings():
        # Deprecations inside the exporter and its notice that torchvision's operators are missing:
        # nothing that a user could act on.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
        program = torch.onnx.export(
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
    assert program is not None
    model = program.model_proto
    _remove_stack_traces(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _remove_stack_traces(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes, which name files of this machine."""
    graphs = [model.graph, *model.functions]
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    nodes = [node for graph in graphs for node in graph.node]
    for part in [model, *graphs, *values, *nodes, *model.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]
