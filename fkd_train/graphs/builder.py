"""Graphs written by hand, node after node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Constant = NDArray[np.generic] | np.generic
Value = str | Constant
"""The name of a value in the graph, or a constant."""
Attribute = int | str | Sequence[int] | onnx.GraphProto


class Nodes:
    """Nodes and constants of a graph. What is written returns the names of its outputs, which begin
    with `prefix`, since names in a graph and in those inside it must differ."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, kind: str, *inputs: Value, **attributes: Attribute) -> str:
        """The output of an operator that has one."""
        return self.several(1, kind, *inputs, **attributes)[0]

    def several(self, count: int, kind: str, *inputs: Value, **attributes: Attribute) -> list[str]:
        """The outputs of an operator."""
        number = len(self.nodes)
        names = [f"{self.prefix}_{number}_{kind}_{output}" for output in range(count)]
        given = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        node = helper.make_node(kind, given, names, names[0])
        made = (helper.make_attribute(key, each) for key, each in attributes.items())
        node.attribute.extend(made)
        self.nodes.append(node)
        return names

    def include(self, graph: onnx.GraphProto) -> None:
        """All of another graph, whose inputs have names of this one's values."""
        self.nodes += graph.node
        self.constants += graph.initializer

    def graph(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """What was written, as a graph."""
        return helper.make_graph(self.nodes, self.prefix, inputs, outputs, self.constants)

    def _constant(self, value: Constant) -> str:
        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def typed(name: str, kind: int, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    """An input or output of a graph; a shape of None is any."""
    return helper.make_tensor_value_info(name, kind, shape)
