"""Which nodes of a graph compute from sizes alone.

They turn the height of an image into the lengths of its rows, and see no pixel. On devices, ONNX
Runtime runs them on the CPU on purpose: each is an integer or two.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fkd_infer.models.protobuf import Field, MessageReader, range_of

_GRAPH, _NODE, _INITIALIZER, _TENSOR_NAME, _ATTRIBUTE_GRAPH = 7, 1, 5, 8, 6
_INPUT, _OUTPUT, _NAME, _OPERATOR, _ATTRIBUTE = 1, 2, 3, 4, 5
_MAX_FIELDS, _MAX_TEXT = 1_000_000, 4096


class _Node(NamedTuple):
    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    has_graph: bool


def size_nodes(path: Path) -> frozenset[tuple[str, str]]:
    """Returns names and operators of the nodes that compute from sizes and constants alone, of a
    checked file."""
    data = path.read_bytes()
    message = MessageReader(data, _MAX_FIELDS)
    constants = {""}
    nodes: list[_Node] = []
    for field in message.fields(0, len(data)):
        if field[0] == _GRAPH:
            for part in message.fields(*range_of(field)):
                if part[0] == _NODE:
                    nodes.append(_read_node(message, part))
                elif part[0] == _INITIALIZER:
                    constants |= set(_texts(message, part, _TENSOR_NAME))
    found = set()
    for node in nodes:  # in the order in which they run
        known = node.operator in ("Shape", "Size") or constants.issuperset(node.inputs)
        if known and not node.has_graph:
            constants |= set(node.outputs)
            found.add((node.name, node.operator))
    return frozenset(found)


def _read_node(message: MessageReader, node: Field) -> _Node:
    fields = list(message.fields(*range_of(node)))

    def texts(number: int) -> tuple[str, ...]:
        return tuple(message.text(field, _MAX_TEXT) for field in fields if field[0] == number)

    attributes = (message.fields(*range_of(field)) for field in fields if field[0] == _ATTRIBUTE)
    has_graph = any(part[0] == _ATTRIBUTE_GRAPH for each in attributes for part in each)
    name, operator = "".join(texts(_NAME)), "".join(texts(_OPERATOR))
    return _Node(name, operator, texts(_INPUT), texts(_OUTPUT), has_graph)


def _texts(message: MessageReader, field: Field, number: int) -> Iterator[str]:
    for part in message.fields(*range_of(field)):
        if part[0] == number:
            yield message.text(part, _MAX_TEXT)
