"""Reads what an ONNX file says about itself, from its bytes alone: neither onnx nor protobuf is
needed, and no runtime reads the file before it is checked.

Field numbers are those of onnx.proto. What no network of fkd needs, such as functions of its own,
raises ModelFormatError.
"""

from __future__ import annotations

from typing import NamedTuple

from fkd_infer.models.allowed_operators import ONNX, Operator
from fkd_infer.models.external_data import WeightFiles
from fkd_infer.models.protobuf import Field, MessageReader, ModelFormatError, number_of, range_of
from fkd_infer.models.tensors import MAX_NAME_BYTES, TensorInfo, TensorReader

_MAX_DEPTH = 8
"""Graphs within graphs; an end-to-end file has 5."""


class _Model:
    IR_VERSION, GRAPH, OPSET, METADATA, TRAINING, FUNCTIONS = 1, 7, 8, 14, 20, 25


class _Opset:
    DOMAIN, VERSION = 1, 2


class _Graph:
    NODE, INITIALIZER, INPUT, OUTPUT, SPARSE_INITIALIZER = 1, 5, 11, 12, 15


class _Node:
    OPERATOR, ATTRIBUTE, DOMAIN = 4, 5, 7


class _Attribute:
    TENSORS, GRAPHS = (5, 10), (6, 11)
    UNUSED = (14, 15, 21, 22, 23)
    """Types, sparse tensors, and references to attributes of functions."""


class OnnxFile(NamedTuple):
    """The signature of an ONNX file, its versions, operators and metadata.

    `opsets` are the versions of operator domains. `inputs` exclude those with initial values.
    """

    ir_version: int
    opsets: dict[str, int]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: frozenset[Operator]
    metadata: dict[str, str]


def read_onnx(message: MessageReader, files: WeightFiles) -> OnnxFile:
    """Reads a file once, and checks the files that contain its weights.

    Raises ModelFormatError if it is damaged or has parts that no network of fkd has.
    """
    return _ModelReader(message, files).read()


class _ModelReader:
    """One pass over the messages of a model."""

    def __init__(self, message: MessageReader, files: WeightFiles) -> None:
        self._message = message
        self._tensors = TensorReader(message, files)
        self._operators: set[Operator] = set()
        self._initializers: set[str] = set()
        self._inputs: list[TensorInfo] = []
        self._outputs: list[TensorInfo] = []

    def read(self) -> OnnxFile:
        ir_version, graphs = 0, 0
        opsets: dict[str, int] = {}
        metadata: dict[str, str] = {}
        for field in self._message.fields(0, len(self._message.data)):
            number = field[0]
            if number == _Model.IR_VERSION:
                ir_version = number_of(field)
            elif number == _Model.GRAPH:
                graphs += 1
                self._read_graph(*range_of(field), depth=0)
            elif number == _Model.OPSET:
                domain, version = self._read_opset(field)
                opsets[domain] = version
            elif number == _Model.METADATA:
                self._tensors.read_entry(field, metadata, "metadata")
            elif number in (_Model.TRAINING, _Model.FUNCTIONS):
                raise ModelFormatError("it contains training steps or functions")
        if graphs != 1:
            raise ModelFormatError("it has two graphs" if graphs else "it is no ONNX file")
        inputs = tuple(tensor for tensor in self._inputs if tensor.name not in self._initializers)
        operators = frozenset(self._operators)
        return OnnxFile(ir_version, opsets, inputs, tuple(self._outputs), operators, metadata)

    def _read_opset(self, field: Field) -> tuple[str, int]:
        domain, version = "", 0
        for part in self._message.fields(*range_of(field)):
            if part[0] == _Opset.DOMAIN:
                domain = self._message.text(part, MAX_NAME_BYTES)
            elif part[0] == _Opset.VERSION:
                version = number_of(part)
        return _canonical(domain), version

    def _read_graph(self, start: int, end: int, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise ModelFormatError(f"its graphs are nested more than {_MAX_DEPTH} deep")
        for field in self._message.fields(start, end):
            number = field[0]
            if number == _Graph.NODE:
                self._read_node(*range_of(field), depth)
            elif number == _Graph.INITIALIZER:
                self._initializers.add(self._tensors.read_tensor(field))
            elif number == _Graph.INPUT and not depth:
                self._inputs.append(self._tensors.read_info(field))
            elif number == _Graph.OUTPUT and not depth:
                self._outputs.append(self._tensors.read_info(field))
            elif number == _Graph.SPARSE_INITIALIZER:
                raise ModelFormatError("it has sparse weights")

    def _read_node(self, start: int, end: int, depth: int) -> None:
        name = domain = ""
        for field in self._message.fields(start, end):
            number = field[0]
            if number == _Node.OPERATOR:
                name = self._message.text(field, MAX_NAME_BYTES)
            elif number == _Node.ATTRIBUTE:
                self._read_attribute(*range_of(field), depth)
            elif number == _Node.DOMAIN:
                domain = self._message.text(field, MAX_NAME_BYTES)
        self._operators.add((_canonical(domain), name))

    def _read_attribute(self, start: int, end: int, depth: int) -> None:
        for field in self._message.fields(start, end):
            number = field[0]
            if number in _Attribute.TENSORS:
                self._tensors.read_tensor(field)
            elif number in _Attribute.GRAPHS:
                self._read_graph(*range_of(field), depth + 1)
            elif number in _Attribute.UNUSED:
                raise ModelFormatError("it has an attribute of a type that no network of fkd has")


def _canonical(domain: str) -> str:
    return ONNX if domain == "ai.onnx" else domain
