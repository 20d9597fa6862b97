"""The graph of somebody's ONNX network, behind the runtime's border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fkd_train.export.sources.border import Border
from fkd_train.graphs.builder import Nodes, typed, with_prefix

_PREFIX = "network_"


@dataclass(frozen=True)
class OnnxNetwork:
    """An ONNX graph, and the names of its only input and of the output that holds the points."""

    model: onnx.ModelProto
    image: str
    points: str

    @property
    def image_type(self) -> onnx.TypeProto.Tensor:
        """The type and shape of the input."""
        (info,) = (info for info in self.model.graph.input if info.name == self.image)
        tensor_type: onnx.TypeProto.Tensor = info.type.tensor_type
        return tensor_type

    @property
    def batch(self) -> int | None:
        """The batch size, None if the graph takes any."""
        return self.image_type.shape.dim[0].dim_value or None


def with_batch(network: OnnxNetwork, batch: int | None) -> OnnxNetwork:
    """The same network for another batch size, or for any (None).

    Reshapes to constant shapes are changed. Other operators may still depend on the batch size: the
    caller has to run the result.
    """
    if network.batch == batch:
        return network
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    graph = model.graph
    del graph.value_info[:]
    for info in (*graph.input, *graph.output):
        shape = info.type.tensor_type.shape
        if not shape.dim or (info in graph.input and info.name != network.image):
            continue
        if batch is None:
            shape.dim[0].dim_param = "batch"
        else:
            shape.dim[0].dim_value = batch
    if network.batch is not None:
        _free_reshapes(graph, network.batch)
    return OnnxNetwork(model, network.image, network.points)


def _free_reshapes(graph: onnx.GraphProto, batch: int) -> None:
    """Lets constant shapes of another batch size than the graph's follow from what is reshaped.

    The batch is the first side, or a factor of it.
    """
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[1] not in tensors:
            continue
        first, *others = numpy_helper.to_array(tensors[node.input[1]]).tolist()
        if all(side > 0 for side in (first, *others)):
            first = -1
        elif first == batch:
            first = 0
        name = f"{node.input[1]}_any_batch_{number}"
        shape = np.array([first, *others], np.int64)
        graph.initializer.append(numpy_helper.from_array(shape, name))
        node.input[1] = name


def bordered_graph(
    network: OnnxNetwork, border: Border, count: int, with_border: bool
) -> onnx.ModelProto:
    """Builds the graph from crops to points in crop pixels, without a card.

    It takes `image`, uint8 (N, S, S, C), or, without the border, float32 planes (N, C, S, S) in
    [0, 1], RGB or gray, and gives `points`, float32 (N, count, 2).
    """
    side: int | str = network.batch or "batch"
    square = (border.size, border.size)
    before, after = Nodes("border"), Nodes("decode")
    if with_border:
        image = typed("image", TensorProto.UINT8, [side, *square, border.channels])
    else:
        image = typed("image", TensorProto.FLOAT, [side, border.channels, *square])
    kind = network.image_type.elem_type
    fed = _fed(before, border, kind, with_border)
    inner = with_prefix(network.model, _PREFIX, {network.image: fed}).graph
    points = _decoded(after, _PREFIX + network.points, border, count)
    graph = helper.make_graph(
        [
            *before.nodes,
            *inner.node,
            *after.nodes,
            helper.make_node("Identity", [points], ["points"], "points"),
        ],
        "landmarks",
        [image],
        [typed("points", TensorProto.FLOAT, [side, count, 2])],
        [*before.constants, *inner.initializer, *after.constants],
    )
    return helper.make_model(
        graph,
        opset_imports=network.model.opset_import,
        # Before version 4, initializers had to be inputs too.
        ir_version=max(network.model.ir_version, 8),
    )


def _fed(nodes: Nodes, border: Border, kind: int, with_border: bool) -> str:
    """Adds what leads from `image` to the network's input of an element type."""
    scale, offset = border.scale_and_offset
    values = "image"
    if with_border and border.layout == "nchw":
        values = nodes("Transpose", values, perm=[0, 3, 1, 2])
    elif not with_border and border.layout == "nhwc":
        values = nodes("Transpose", values, perm=[0, 2, 3, 1])
    if with_border:
        values = nodes("Cast", values, to=TensorProto.FLOAT)
    else:
        scale = 255 * scale  # planes are in [0, 1] already
    axis = 1 if border.layout == "nchw" else 3
    if border.color == ("rgb" if with_border else "bgr"):
        values = nodes("Gather", values, np.array([2, 1, 0]), axis=axis)
    shape = [1 if side != axis else -1 for side in range(4)]
    if (scale != 1).any():
        values = nodes("Mul", values, scale.reshape(shape))
    if offset.any():
        values = nodes("Add", values, offset.reshape(shape))
    return values if kind == TensorProto.FLOAT else nodes("Cast", values, to=kind)


def _decoded(nodes: Nodes, output: str, border: Border, count: int) -> str:
    """Adds what leads from the network's output to points in crop pixels."""
    scale, offset = border.point_scale_and_offset
    values = nodes("Cast", output, to=TensorProto.FLOAT)
    places = nodes("Reshape", values, np.array([0, count, -1]))
    places = nodes("Gather", places, np.array([0, 1]), axis=2)
    if scale != 1:
        places = nodes("Mul", places, np.float32(scale))
    return nodes("Add", places, np.float32(offset)) if offset else places
