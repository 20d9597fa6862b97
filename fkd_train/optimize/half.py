"""Converts a graph to half precision, for GPUs."""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from fkd_train.graphs.passes import with_metadata
from fkd_train.optimize.quantize import WEIGHTED


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts all nodes to fp16 except those after the last weights.

    Their values are pixels of the crop, which fp16 would round to an eighth of a pixel.
    """
    half: onnx.ModelProto = convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=DEFAULT_OP_BLOCK_LIST,
        node_block_list=_nodes_after_last_weights(model),
    )
    drop_repeated_casts(half)
    # The converter appends the last casts behind the nodes that read them.
    sorted_graph = TopologicalSortPass()(ir.from_proto(half)).model
    return with_metadata(ir.to_proto(sorted_graph), model)


def drop_repeated_casts(model: onnx.ModelProto) -> None:
    """Removes casts that write a value again: before 1.32, ONNX Runtime's converter adds one for
    each node that reads it."""
    nodes = list(model.graph.node)
    first = {output: node for node in reversed(nodes) for output in node.output}
    kept = [n for n in nodes if n.op_type != "Cast" or first[n.output[0]] is n]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _nodes_after_last_weights(model: onnx.ModelProto) -> list[str]:
    """Returns the names of the nodes whose outputs reach no node with weights."""
    feeds_weights: set[str] = set()
    names: list[str] = []
    for node in reversed(model.graph.node):
        if node.op_type in WEIGHTED or feeds_weights & set(node.output):
            feeds_weights |= set(node.input)
        else:
            names.append(node.name)
    return names
