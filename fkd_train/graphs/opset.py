"""Operator sets of graphs."""

from __future__ import annotations

import onnx
from onnx import version_converter

from fkd_infer.errors import one_line
from fkd_train.errors import NetworkError
from fkd_train.graphs.passes import with_metadata

_AXES_AS_INPUTS = 18
"""From this operator set on, reductions take their axes as an input."""


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators in a graph."""
    version: int = next(e.version for e in model.opset_import if e.domain in ("", "ai.onnx"))
    return version


def with_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Converts a graph to an operator set; raises NetworkError, without a name, if it cannot be."""
    own = opset_of(model)
    if own == opset:
        return model
    try:
        if opset < _AXES_AS_INPUTS:
            model = _without_new_attributes(model)
        return with_metadata(version_converter.convert_version(model, opset), model)
    except Exception as error:  # the converter's own errors, and those of its C++ code
        problem = f"it cannot be converted from opset {own} to {opset}: {one_line(error)}"
        raise NetworkError("", problem, f"export it with --opset {own}") from error


def _without_new_attributes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Removes an attribute, at its default, that the converter would leave on older operators."""
    older = onnx.ModelProto()
    older.CopyFrom(model)
    for node in older.graph.node:
        if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum":
            kept = [a for a in node.attribute if a.name != "noop_with_empty_axes" or a.i]
            del node.attribute[:]
            node.attribute.extend(kept)
    return older
