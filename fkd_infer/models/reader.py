"""What an ONNX file says of itself, read from its bytes alone.

Numbers of fields are those of onnx.proto. What no network of fkd's needs, such as functions of a
file's own, is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from fkd_infer.models.allowed_operators import ONNX, Operator
from fkd_infer.models.external_data import WeightFiles
from fkd_infer.models.protobuf import (
    BYTES,
    Field,
    MessageReader,
    ModelFormatError,
    number_of,
    part_of,
)
from fkd_infer.system.files.text_checks import name_problem, short_repr

_MOST_SIDES = 16
_MOST_METADATA = 100
_LONGEST_METADATA = 1 << 20
_LONGEST_NAME = 1000
_DEEPEST = 8
"""Graphs in graphs; an end-to-end file has 5."""

_TYPES = {
    1: "float", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "double", 12: "uint32", 13: "uint64", 16: "bfloat16", 21: "uint4",
    22: "int4",
}  # fmt: skip
"""Types of numbers in tensors, as ONNX numbers them and ONNX Runtime calls them."""
_BITS = {
    "float": 32, "uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "int32": 32, "int64": 64,
    "bool": 8, "float16": 16, "double": 64, "uint32": 32, "uint64": 64, "bfloat16": 16, "uint4": 4,
    "int4": 4,
}  # fmt: skip
_INLINE = frozenset({4, 5, 7, 10, 11})
"""Fields of a tensor that hold its numbers, but for the raw ones."""


class TensorInfo(NamedTuple):
    """An input or output of a network: its type as ONNX Runtime calls it, such as "tensor(uint8)",
    and its shape, in which a word or None stands for any size."""

    name: str
    kind: str
    shape: tuple[int | str | None, ...]


class OnnxFile(NamedTuple):
    """A file's versions, borders, operators and metadata; `opsets` are the versions of its
    operators' domains. `inputs` are without those that weights stand in for."""

    ir_version: int
    opsets: dict[str, int]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: frozenset[Operator]
    metadata: dict[str, str]


def read_onnx(message: MessageReader, files: WeightFiles) -> OnnxFile:
    """Walks a file once, and looks at the files that hold its weights.

    Raises ModelFormatError for what is damaged, or has parts that no network of fkd's has.
    """
    return _Reader(message, files).model()


class _Tensor:
    """What of a tensor is checked once all of it is known; `raw` and `inline` are bytes."""

    def __init__(self) -> None:
        self.name = ""
        self.kind = 0
        self.shape: list[int] = []
        self.raw: int | None = None
        self.inline = 0
        self.is_external = False
        self.entries: dict[str, str] = {}


class _Reader:
    """One pass over a model's messages."""

    def __init__(self, message: MessageReader, files: WeightFiles) -> None:
        self._message = message
        self._files = files
        self._operators: set[Operator] = set()
        self._weights: set[str] = set()
        self._inputs: list[TensorInfo] = []
        self._outputs: list[TensorInfo] = []

    def model(self) -> OnnxFile:
        ir_version, graphs = 0, 0
        opsets: dict[str, int] = {}
        metadata: dict[str, str] = {}
        for part in self._message.fields(0, len(self._message.data)):
            number = part[0]
            if number == 1:
                ir_version = number_of(part)
            elif number == 7:
                graphs += 1
                self._graph(*part_of(part), depth=0)
            elif number == 8:
                domain, version = self._opset(part)
                opsets[domain] = version
            elif number == 14:
                self._add_entry(part, metadata, "metadata")
            elif number in (20, 25):
                raise ModelFormatError("it has training steps or functions of its own in it")
        if graphs != 1:
            raise ModelFormatError("it has two graphs" if graphs else "it is no ONNX file")
        inputs = tuple(port for port in self._inputs if port.name not in self._weights)
        operators = frozenset(self._operators)
        return OnnxFile(ir_version, opsets, inputs, tuple(self._outputs), operators, metadata)

    def _opset(self, part: Field) -> tuple[str, int]:
        domain, version = "", 0
        for inner in self._message.fields(*part_of(part)):
            if inner[0] == 1:
                domain = self._message.text(inner, _LONGEST_NAME)
            elif inner[0] == 2:
                version = number_of(inner)
        return _canonical(domain), version

    def _add_entry(self, part: Field, entries: dict[str, str], what: str) -> None:
        """A pair of a key and a value, as metadata and external data have them."""
        key = value = ""
        for inner in self._message.fields(*part_of(part)):
            if inner[0] == 1:
                key = self._message.text(inner, _LONGEST_NAME)
            elif inner[0] == 2:
                value = self._message.text(inner, _LONGEST_METADATA)
        if key in entries:
            raise ModelFormatError(f"its {what} has {short_repr(key)} twice")
        if len(entries) >= _MOST_METADATA:
            raise ModelFormatError(f"its {what} has more than {_MOST_METADATA} entries")
        entries[key] = value

    def _graph(self, start: int, end: int, depth: int) -> None:
        if depth >= _DEEPEST:
            raise ModelFormatError(f"its graphs are nested more than {_DEEPEST} deep")
        for part in self._message.fields(start, end):
            number = part[0]
            if number == 1:
                self._node(*part_of(part), depth)
            elif number == 5:
                self._weights.add(self._tensor(part))
            elif number == 11 and not depth:
                self._inputs.append(self._port(part))
            elif number == 12 and not depth:
                self._outputs.append(self._port(part))
            elif number == 15:
                raise ModelFormatError("it has sparse weights")

    def _node(self, start: int, end: int, depth: int) -> None:
        name = domain = ""
        for part in self._message.fields(start, end):
            number = part[0]
            if number == 4:
                name = self._message.text(part, _LONGEST_NAME)
            elif number == 5:
                self._attribute(*part_of(part), depth)
            elif number == 7:
                domain = self._message.text(part, _LONGEST_NAME)
        self._operators.add((_canonical(domain), name))

    def _attribute(self, start: int, end: int, depth: int) -> None:
        for part in self._message.fields(start, end):
            number = part[0]
            if number in (5, 10):
                self._tensor(part)
            elif number in (6, 11):
                self._graph(*part_of(part), depth + 1)
            elif number in (14, 15, 21, 22, 23):
                raise ModelFormatError(
                    "it has an attribute of a type that no network of fkd's needs"
                )

    def _tensor(self, part: Field) -> str:
        """The name of a tensor whose numbers are where they should be."""
        tensor = _Tensor()
        for inner in self._message.fields(*part_of(part)):
            number, wire, start, end = inner
            if number == 1:
                for side in self._message.numbers(inner):
                    tensor.shape.append(side)
                    if len(tensor.shape) > _MOST_SIDES:
                        raise ModelFormatError(
                            f"it has a tensor of more than {_MOST_SIDES} dimensions"
                        )
            elif number == 2:
                tensor.kind = number_of(inner)
            elif number == 8:
                tensor.name = self._message.text(inner, _LONGEST_NAME)
            elif number == 9:
                tensor.raw = end - start
            elif number in _INLINE:
                tensor.inline += end - start if wire == BYTES else 8
            elif number == 13:
                self._add_entry(inner, tensor.entries, "external data")
            elif number == 14:
                tensor.is_external |= number_of(inner) != 0
            elif number in (3, 6):
                raise ModelFormatError("it has a tensor in segments or of strings")
        self._check_numbers(tensor)
        return tensor.name

    def _check_numbers(self, tensor: _Tensor) -> None:
        """A tensor's numbers are all there, and it is no larger than they are."""
        name = short_repr(tensor.name)
        if tensor.kind not in _TYPES:
            raise ModelFormatError(f"its tensor {name} is of the unknown type {tensor.kind}")
        if any(side < 0 for side in tensor.shape):
            raise ModelFormatError(f"its tensor {name} has the shape {tensor.shape}")
        count = math.prod(tensor.shape)
        size = (count * _BITS[_TYPES[tensor.kind]] + 7) // 8
        if tensor.is_external or tensor.entries:
            self._files.check(name, tensor.entries, size)
        elif tensor.raw is None:
            # At least a byte for two numbers, in whichever field they are.
            if count > 2 * tensor.inline:
                raise ModelFormatError(f"its tensor {name} has {count} numbers, and holds fewer")
        elif tensor.raw != size:
            raise ModelFormatError(f"its tensor {name} takes {size} bytes, and holds {tensor.raw}")

    def _port(self, part: Field) -> TensorInfo:
        name, kind, shape = "", "", tuple[int | str | None, ...]()
        for inner in self._message.fields(*part_of(part)):
            if inner[0] == 1:
                name = self._message.text(inner, _LONGEST_NAME)
            elif inner[0] == 2:
                kind, shape = self._type(*part_of(inner))
        if problem := name_problem(name):
            raise ModelFormatError(f"the name {short_repr(name)} of an input or output {problem}")
        if not kind:
            raise ModelFormatError(f"its input or output {short_repr(name)} is no tensor")
        return TensorInfo(name, kind, shape)

    def _type(self, start: int, end: int) -> tuple[str, tuple[int | str | None, ...]]:
        """The type of a tensor and its shape; an empty one for anything else."""
        kind, shape = "", list[int | str | None]()
        for part in self._message.fields(start, end):
            if part[0] != 1:
                continue
            for inner in self._message.fields(*part_of(part)):
                if inner[0] == 1:
                    number = number_of(inner)
                    kind = f"tensor({_TYPES.get(number, f'type {number}')})"
                elif inner[0] == 2:
                    shape.extend(self._sides(*part_of(inner)))
        return kind, tuple(shape)

    def _sides(self, start: int, end: int) -> Iterator[int | str | None]:
        for count, part in enumerate(self._message.fields(start, end)):
            if count >= _MOST_SIDES:
                raise ModelFormatError(f"it has a tensor of more than {_MOST_SIDES} dimensions")
            side: int | str | None = None
            for inner in self._message.fields(*part_of(part)):
                if inner[0] == 1:
                    side = number_of(inner)
                elif inner[0] == 2:
                    side = self._message.text(inner, _LONGEST_NAME)
            yield side


def _canonical(domain: str) -> str:
    return ONNX if domain == "ai.onnx" else domain
