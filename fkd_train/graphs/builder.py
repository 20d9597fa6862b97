"""Builds an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose, helper, numpy_helper

Constant = NDArray[np.generic] | np.generic
Value = str | Constant
"""The name of a value in the graph, or a constant."""
Attribute = int | str | Sequence[int] | onnx.GraphProto


class Nodes:
    """The nodes and constants of a graph under construction.

    All names begin with `prefix`, because a graph and its subgraphs must not share names.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, kind: str, *inputs: Value, **attributes: Attribute) -> str:
        """Adds an operator with one output; returns the output's name."""
        return self.several(1, kind, *inputs, **attributes)[0]

    def several(self, count: int, kind: str, *inputs: Value, **attributes: Attribute) -> list[str]:
        """Adds an operator with `count` outputs; returns their names."""
        number = len(self.nodes)
        names = [f"{self.prefix}_{number}_{kind}_{output}" for output in range(count)]
        input_names = [
            value if isinstance(value, str) else self.constant(value) for value in inputs
        ]
        node = helper.make_node(kind, input_names, names, names[0])
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in attributes.items()
        )
        self.nodes.append(node)
        return names

    def include(self, graph: onnx.GraphProto) -> None:
        """Adds the nodes and constants of a graph whose inputs are values of this one."""
        self.nodes += graph.node
        self.constants += graph.initializer

    def graph(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """Returns the finished graph."""
        return helper.make_graph(self.nodes, self.prefix, inputs, outputs, self.constants)

    def constant(self, value: Constant) -> str:
        """Adds a constant; returns its name."""
        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def typed(name: str, kind: int, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    """Declares an input or output of a graph; a shape of None allows any."""
    return helper.make_tensor_value_info(name, kind, shape)


def with_prefix(model: onnx.ModelProto, prefix: str, inputs: dict[str, str]) -> onnx.ModelProto:
    """Prefixes all names of a model, except its inputs, which are renamed as given."""
    prefixed = compose.add_prefix(model, prefix)
    names = {prefix + old: new for old, new in inputs.items()}
    for node in prefixed.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return prefixed
