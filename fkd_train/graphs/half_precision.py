"""Converts a network to half precision, for GPUs.

Nodes that lead to a layer with weights compute in fp16, and everything else in fp32: inputs,
outputs, and what comes after the last weights, whose values are pixels of the crop, which fp16
would round to an eighth of a pixel. A node before the last weights stays in fp32 too if

- its operator is not in the list below: powers and exponentials leave the range of fp16, and ONNX
  or ONNX Runtime has some operators in fp32 alone, such as GridSample on CUDA;
- its values say where something is, not what: they are rounded, compared, become integers, or are
  the scales of a Resize or the grid of a GridSample. fp16 holds whole numbers up to 2048;
- it has a constant that fp16 cannot hold: one beyond 65504, or an epsilon that would become zero;
- all that it computes from is in fp32: values are rounded as late as possible;
- a subgraph reads its result. Subgraphs themselves are left alone.

Values of the network beyond 65504 become infinite: only measurements on data show these.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.shape_inference import infer_shapes

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_NAMES = """
    Abs Add AveragePool BatchNormalization Cast Clip Concat Conv ConvTranspose DepthToSpace Div
    Dropout Elu Erf Expand Flatten Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
    GlobalMaxPool HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu
    MatMul MaxPool Mish Mul Neg PRelu Pad ReduceMax ReduceMean ReduceMin Relu Reshape Resize Selu
    Sigmoid Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Swish Tanh ThresholdedRelu Tile
    Transpose Unsqueeze Where
"""
HALF_OPERATORS = frozenset(_NAMES.split())
"""Operators that compute in fp16, in every operator set that they are in."""
_COORDINATES = {"GridSample": (1,), "Resize": (1, 2, 3), "Upsample": (1,)}
"""Inputs that say where something is, by their numbers."""
_ROUNDING = ("Ceil", "Floor", "Mod", "Round")
_SHAPES = ("Shape", "Size")
_BYTES = (ir.DataType.BOOL, ir.DataType.INT8, ir.DataType.UINT8)
"""Types whose values fp16 holds exactly."""

Use = tuple[ir.Node, int]
"""A node, and the number of an input."""


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts the nodes that lead to weights to fp16; inputs and outputs keep their types."""
    converted = ir.from_proto(infer_shapes(model))
    graph = converted.graph
    half = _half_nodes(graph)
    results = [value for node in half for value in node.outputs if _is_float(value)]
    read = [value for node in half for value in _float_inputs(node) if value.producer() not in half]
    for value in results:
        _halve(value, graph, half)
    for value in dict.fromkeys(read):
        _read_as_half(value, graph, half)
    for node in half:
        if node.op_type == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT16)
    result = ir.to_proto(converted)
    # Inference may have found sizes that the model does not promise.
    del result.graph.output[:]
    result.graph.output.extend(model.graph.output)
    return result


def _half_nodes(graph: ir.Graph) -> dict[ir.Node, None]:
    """Selects the nodes that compute in fp16, in the graph's order."""
    nodes = list(graph)
    exact = _exact_nodes(graph)
    leading: set[ir.Node] = set()
    for node in reversed(nodes):
        if _is_layer(node) or any(reader in leading for reader in _readers(node)):
            leading.add(node)
    half: dict[ir.Node, None] = {}
    for node in nodes:
        if node in leading and node not in exact and _can_be_half(node, half):
            half[node] = None
    return half


def _exact_nodes(graph: ir.Graph) -> set[ir.Node]:
    """Selects the nodes behind coordinates and decisions, back to the layers that they are of."""
    exact: set[ir.Node] = set()
    for node in reversed(graph):
        if _is_layer(node) or node.op_type in _SHAPES:
            continue
        uses = [use for value in node.outputs for use in value.uses()]
        if any(
            use.node in exact or use.node.graph is not graph or _decides(use.node, use.idx)
            for use in uses
        ):
            exact.add(node)
    return exact


def _decides(node: ir.Node, number: int) -> bool:
    """Whether a node makes a position, a whole number or a decision of this input."""
    whole = any(
        value.dtype is not None and (value.dtype.is_integer() or value.dtype == ir.DataType.BOOL)
        for value in node.outputs
    )
    return (
        node.op_type in _ROUNDING
        or number in _COORDINATES.get(node.op_type, ())
        or (whole and node.op_type not in _SHAPES)
    )


def _can_be_half(node: ir.Node, half: Collection[ir.Node]) -> bool:
    """Whether a node has an operator and constants for fp16, and something in fp16 to compute."""
    if node.domain or node.op_type not in HALF_OPERATORS or not _is_float(node.outputs[0]):
        return False
    if len(node.outputs) > 1 and node.op_type != "Split":
        return False  # statistics and indices, which have types of their own
    if node.op_type == "Cast":
        return node.inputs[0] is not None and node.inputs[0].dtype in _BYTES
    inputs = _float_inputs(node)
    if not all(_fits(values, node) for value in inputs if (values := _constant(value)) is not None):
        return False
    return _is_layer(node) or any(value.producer() in half for value in inputs)


def _fits(values: NDArray[np.float32], node: ir.Node) -> bool:
    """Whether fp16 holds a node's constant; of a layer's weights, the smallest may vanish."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16)
    vanishing = (rounded == 0) & (values != 0)
    overflowing = np.isinf(rounded) & np.isfinite(values)
    return not overflowing.any() and (_is_layer(node) or not vanishing.any())


def _is_layer(node: ir.Node) -> bool:
    """Whether a node has weights."""
    return (
        not node.domain
        and node.op_type in _LAYERS
        and any(value is not None and _constant(value) is not None for value in node.inputs[:2])
    )


def _readers(node: ir.Node) -> list[ir.Node]:
    return [reader for value in node.outputs for reader in value.consumers()]


def _float_inputs(node: ir.Node) -> list[ir.Value]:
    """The inputs of a node in fp16 that are in fp16 then; in fp32 before."""
    return [
        value
        for number, value in enumerate(node.inputs)
        if value is not None and _is_float(value) and _is_converted(node, number)
    ]


def _is_converted(node: ir.Node, number: int) -> bool:
    return number not in _COORDINATES.get(node.op_type, ())


def _is_float(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.FLOAT


def _constant(value: ir.Value) -> NDArray[np.float32] | None:
    """The numbers of a constant in fp32; None for other values."""
    tensor = None if value.is_graph_input() else ir.convenience.get_const_tensor(value)
    return tensor.numpy() if tensor is not None and _is_float(value) else None


def _halve(value: ir.Value, graph: ir.Graph, half: Collection[ir.Node]) -> None:
    """Makes the result of a node fp16, widened once for all that reads it in fp32."""
    uses = [use for use in value.uses() if not _reads_half(use, half)]
    value.type = ir.TensorType(ir.DataType.FLOAT16)
    if not uses and not value.is_graph_output():
        return
    cast = _cast(value, ir.DataType.FLOAT, f"{value.name}_fp32")
    wide = cast.outputs[0]
    producer = value.producer()
    assert producer is not None
    graph.insert_after(producer, cast)
    _replace(uses, wide)
    if value.is_graph_output():
        wide.name, value.name = value.name, f"{value.name}_fp16"
        graph.outputs[graph.outputs.index(value)] = wide


def _read_as_half(value: ir.Value, graph: ir.Graph, half: Collection[ir.Node]) -> None:
    """Rounds a value in fp32 once, for all that reads it in fp16."""
    uses = [use for use in value.uses() if _reads_half(use, half)]
    name = f"{value.name}_fp16"
    producer = value.producer()
    constant = _constant(value)
    if constant is not None:
        tensor = ir.tensor(constant.astype(np.float16), name=name)
        dtype = ir.TensorType(ir.DataType.FLOAT16)
        rounded = ir.Value(name=name, shape=value.shape, type=dtype, const_value=tensor)
        graph.register_initializer(rounded)
        _replace(uses, rounded)
        _remove_unused(value, graph)
        return
    cast = _cast(value, ir.DataType.FLOAT16, name)
    if producer is None:
        graph.insert_before(graph[0], cast)
    else:
        graph.insert_after(producer, cast)
    _replace(uses, cast.outputs[0])


def _reads_half(use: Use, half: Collection[ir.Node]) -> bool:
    node, number = use
    return node in half and _is_converted(node, number)


def _cast(value: ir.Value, dtype: ir.DataType, name: str) -> ir.Node:
    output = ir.Value(name=name, shape=value.shape, type=ir.TensorType(dtype))
    return ir.node("Cast", [value], {"to": dtype}, outputs=[output], name=f"{name}_cast")


def _replace(uses: Collection[Use], value: ir.Value) -> None:
    for node, number in uses:
        node.replace_input_with(number, value)


def _remove_unused(constant: ir.Value, graph: ir.Graph) -> None:
    if constant.uses() or constant.is_graph_output():
        return
    producer = constant.producer()
    if producer is not None:
        graph.remove(producer, safe=True)
    else:
        assert constant.name is not None
        del graph.initializers[constant.name]
