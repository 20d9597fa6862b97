"""Counts the arithmetic and the bytes of an ONNX graph for one crop, from tensor shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

from fkd_train.errors import RunError

_WEIGHT_INDEX = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Index of a convolution's weight among its inputs."""
_DENSE = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul")
_FOUR_BYTES = 4


@dataclass(frozen=True)
class MultiplyAdds:
    """Multiply-adds in float32 and in int8."""

    fp32: int = 0
    int8: int = 0

    @property
    def total(self) -> int:
        """Multiply-adds of both kinds."""
        return self.fp32 + self.int8


@dataclass(frozen=True)
class Layer:
    """A convolution or a dense layer: its multiply-adds, and the bytes of its input, weights and
    output, each counted once, as if operators between the layers were fused."""

    count: MultiplyAdds
    moved_bytes: int
    convolution: bool = True


@dataclass(frozen=True)
class Work:
    """The least work for one crop, by layer."""

    layers: tuple[Layer, ...]

    @property
    def all(self) -> MultiplyAdds:
        """Multiply-adds of all layers."""
        return _sum(self.layers)

    @property
    def convolutions(self) -> MultiplyAdds:
        """Multiply-adds of the convolutions alone."""
        return _sum([layer for layer in self.layers if layer.convolution])

    @property
    def moved_bytes(self) -> int:
        """Bytes of all layers."""
        return sum(layer.moved_bytes for layer in self.layers)


def count_work(file: Path) -> Work:
    """Counts a file's graph; raises RunError if it or a tensor's shape is unknown."""
    graph = _Graph(file)
    return Work(tuple(graph.layer(node) for node in graph.nodes if graph.is_layer(node)))


def _sum(layers: Sequence[Layer]) -> MultiplyAdds:
    counts = [layer.count for layer in layers]
    return MultiplyAdds(sum(c.fp32 for c in counts), sum(c.int8 for c in counts))


class _Graph:
    """A graph at batch 1, with the shape and the producer of each tensor."""

    def __init__(self, file: Path) -> None:
        self._file = file
        inferred = _at_batch_one(file).graph
        self.nodes = list(inferred.node)
        self._producers = {name: node for node in self.nodes for name in node.output}
        self._shapes = {t.name: tuple(t.dims) for t in inferred.initializer}
        self._bytes = {t.name: _element_bytes(t.data_type) for t in inferred.initializer}
        for value in [*inferred.input, *inferred.value_info, *inferred.output]:
            kind = value.type.tensor_type
            if all(d.HasField("dim_value") for d in kind.shape.dim):
                self._shapes[value.name] = tuple(d.dim_value for d in kind.shape.dim)
            self._bytes[value.name] = _element_bytes(kind.elem_type)

    def is_layer(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a convolution or a dense layer."""
        return node.op_type in _WEIGHT_INDEX or node.op_type in _DENSE

    def layer(self, node: onnx.NodeProto) -> Layer:
        """The work of a convolution or a dense layer."""
        weight_index = _WEIGHT_INDEX.get(node.op_type, 3 if node.op_type == "QLinearMatMul" else 1)
        image, weight, output = node.input[0], node.input[weight_index], node.output[0]
        int8 = self._is_int8(node, image, weight)
        convolution = node.op_type in _WEIGHT_INDEX
        if convolution:
            depth = prod(self._shape(weight)[1:])
        else:
            shape = self._shape(image)
            depth = shape[0] if _attribute(node, "transA") else shape[-1]
        size = prod(self._shape(output))
        written = size * (1 if int8 else self._bytes.get(output, _FOUR_BYTES))
        moved = self._stored_bytes(image) + self._stored_bytes(weight) + written
        count = MultiplyAdds(int8=size * depth) if int8 else MultiplyAdds(fp32=size * depth)
        return Layer(count, moved, convolution)

    def _is_int8(self, node: onnx.NodeProto, image: str, weight: str) -> bool:
        """Whether the operator, or both of its inputs, are in 8 bits."""
        if node.op_type.startswith("QLinear") or node.op_type.endswith("Integer"):
            return True
        return all(self._is_dequantized(name) for name in (image, weight))

    def _is_dequantized(self, name: str) -> bool:
        return name in self._producers and self._producers[name].op_type == "DequantizeLinear"

    def _stored_bytes(self, name: str) -> int:
        """Bytes of a tensor as it is stored."""
        stored = self._producers[name].input[0] if self._is_dequantized(name) else name
        return prod(self._shape(name)) * self._bytes.get(stored, _FOUR_BYTES)

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self._shapes:
            raise RunError(self._file, f"the shape of its tensor {name!r} is unknown")
        return self._shapes[name]


def _at_batch_one(file: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(file)
        del model.graph.value_info[:]
        for image in model.graph.input:
            image.type.tensor_type.shape.dim[0].dim_value = 1
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # protobuf's and onnx's errors share no other base
        raise RunError(file, f"its graph cannot be read: {' '.join(str(error).split())}") from error


def _element_bytes(kind: int) -> int:
    """Bytes of an element of an ONNX type."""
    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else _FOUR_BYTES


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), 0)
