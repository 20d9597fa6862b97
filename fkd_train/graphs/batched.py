"""Makes a graph of one image one of a batch of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_shapes

_PROBE = 7
"""A number of images that is no other length by chance."""


class NotBatchableError(ValueError):
    """A graph of one image cannot be made one of a batch."""


def with_batch(model: onnx.ModelProto, images: int | str) -> onnx.ModelProto:
    """Returns a graph whose input and outputs have a first axis of so many images, or a named axis.

    The graph of one image has fixed shapes, gives its input a first axis of 1, and takes that from
    the outputs again. Raises NotBatchableError if it is made in another way.
    """
    batched = onnx.ModelProto()
    batched.CopyFrom(model)
    graph = batched.graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {value.name: _lengths(value) for value in values}
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        _adapt(node, {value.name for value in graph.input}, shapes, constants, graph)
    _add_first_axes(graph.input, _PROBE)
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = infer_shapes(batched).graph.output
    if any(_lengths(value) != [_PROBE, *shapes[value.name]] for value in inferred):
        raise NotBatchableError("its outputs do not follow the number of images")
    del graph.output[:]
    graph.output.extend(inferred)
    for values in (graph.input, graph.output):
        for value in values:
            _set_length(value.type.tensor_type.shape.dim[0], images)
    return batched


def _adapt(
    node: onnx.NodeProto,
    images: set[str],
    shapes: dict[str, list[int]],
    constants: dict[str, onnx.TensorProto],
    graph: onnx.GraphProto,
) -> None:
    """Rewrites a node that adds the first axis, takes it away, or has its length as a constant."""
    if len(node.input) < 2 or node.input[1] not in constants:
        return
    value = numpy_helper.to_array(constants[node.input[1]])
    is_one_image = shapes.get(node.input[0], [])[:1] == [1]
    axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
    adds = node.op_type == "Unsqueeze" and node.input[0] in images and value.tolist() == [0]
    takes = node.op_type == "Gather" and is_one_image and axis == 0 and value.tolist() == 0
    if adds or takes:
        node.op_type = "Identity"
        del node.input[1:], node.attribute[:]
    elif node.op_type == "Reshape" and is_one_image and value[0] == 1:
        name = f"{node.output[0]}_batch_shape"
        shape = np.array([-1, *shapes[node.output[0]][1:]], np.int64)
        graph.initializer.append(numpy_helper.from_array(shape, name))
        node.input[1] = name


def _lengths(value: onnx.ValueInfoProto) -> list[int]:
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def _add_first_axes(values: Sequence[onnx.ValueInfoProto], length: int) -> None:
    for value in values:
        shape = [length, *_lengths(value)]
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))


def _set_length(dimension: onnx.TensorShapeProto.Dimension, length: int | str) -> None:
    if isinstance(length, int):
        dimension.dim_value = length
    else:
        dimension.dim_param = length
