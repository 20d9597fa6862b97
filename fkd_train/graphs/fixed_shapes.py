"""Rewrites a graph for inputs of one size, or for a batch of them.

With fixed shapes, what depends on them becomes constant. OpenCV 4 has no other shapes, no arrays of
one axis, and computes a depthwise convolution of a map with one row or column wrongly:
`for_opencv` rewrites what is left of that. The results stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxslim
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_shapes
from onnx.utils import Extractor

_BROADCAST = ("Add", "Div", "Less", "Mul", "Sub", "Where")


def with_fixed_shapes(
    model: onnx.ModelProto, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Returns the part of a model that leads from inputs of these shapes to `outputs`, which may be
    any values of the graph."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        shape = value.type.tensor_type.shape
        for dimension, length in zip(shape.dim, inputs[value.name], strict=True):
            dimension.dim_value = length
    part = Extractor(infer_shapes(fixed)).extract_model(list(inputs), list(outputs))
    # What was inferred has the old, unknown sizes.
    del part.graph.value_info[:]
    return infer_shapes(onnxslim.slim(part))


def for_opencv(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrites, in place, what OpenCV 4 does not compute in a graph with fixed shapes.

    Outputs with one axis get a first one of 1.
    """
    graph = model.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    shapes = _shapes(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Gather" and constants.get(node.input[1], np.zeros(1)).ndim == 0:
            nodes += _sliced(node, constants, shapes[node.output[0]], graph)
            continue
        if node.op_type in _BROADCAST:
            _make_rows(node, constants, graph)
        elif node.op_type == "Conv":
            _narrow_kernel(node, constants, shapes[node.input[0]], graph)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    return infer_shapes(model)


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    values = [*graph.input, *graph.value_info, *graph.output]
    return {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in values
    }


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _sliced(
    node: onnx.NodeProto,
    constants: Mapping[str, np.ndarray],
    shape: Sequence[int],
    graph: onnx.GraphProto,
) -> list[onnx.NodeProto]:
    """A Gather of one index as a Slice and a Reshape, to two axes at least."""
    index, output = int(constants[node.input[1]]), node.output[0]
    two_axes = [*[1] * (2 - len(shape)), *shape]
    values = ([index], [index + 1], [_attribute(node, "axis", 0)], two_axes)
    names = [
        _constant(graph, f"{output}_{name}", np.array(value, np.int64))
        for name, value in zip(("start", "end", "axis", "shape"), values, strict=True)
    ]
    part = f"{output}_part"
    return [
        helper.make_node("Slice", [node.input[0], *names[:3]], [part], f"{node.name}_slice"),
        helper.make_node("Reshape", [part, names[3]], [output], f"{node.name}_reshape"),
    ]


def _make_rows(
    node: onnx.NodeProto,
    constants: Mapping[str, np.ndarray],
    graph: onnx.GraphProto,
) -> None:
    """Gives constants with one axis a first one: OpenCV 4 would take them for columns."""
    for number, name in enumerate(node.input):
        value = constants.get(name)
        if value is not None and value.ndim == 1 and value.size > 1:
            node.input[number] = _constant(graph, f"{node.output[0]}_row_{number}", value[None])


def _narrow_kernel(
    node: onnx.NodeProto,
    constants: Mapping[str, np.ndarray],
    shape: Sequence[int],
    graph: onnx.GraphProto,
) -> None:
    """Removes the kernel's rows or columns that only see the padding around a map of one."""
    weight = constants[node.input[1]]
    attributes = {each.name: each for each in node.attribute}
    for axis in (2, 3):
        kernel = weight.shape[axis]
        pads = list(attributes["pads"].ints) if "pads" in attributes else [0] * 4
        if shape[axis] != 1 or kernel != 3 or pads[axis - 2] != 1 or pads[axis] != 1:
            continue
        weight = weight.take([1], axis)
        attributes["kernel_shape"].ints[axis - 2] = 1
        attributes["pads"].ints[axis - 2] = attributes["pads"].ints[axis] = 0
        node.input[1] = _constant(graph, f"{node.output[0]}_kernel_{axis}", weight)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((each.i for each in node.attribute if each.name == name), default)
