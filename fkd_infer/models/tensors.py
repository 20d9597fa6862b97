"""Reads tensors of ONNX files, and the names, types and shapes of their inputs and outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fkd_infer.models.external_data import WeightFiles
from fkd_infer.models.protobuf import (
    BYTES,
    Field,
    MessageReader,
    ModelFormatError,
    number_of,
    range_of,
)
from fkd_infer.system.files.text_checks import name_problem, short_repr

MAX_NAME_BYTES = 1000
_MAX_DIMENSIONS = 16
_MAX_ENTRIES = 100
_MAX_ENTRY_BYTES = 1 << 20

_TYPES = {
    1: "float", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "double", 12: "uint32", 13: "uint64", 16: "bfloat16", 21: "uint4",
    22: "int4",
}  # fmt: skip
"""Element types by their numbers in ONNX, as ONNX Runtime names them."""
_BITS = {
    "float": 32, "uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "int32": 32, "int64": 64,
    "bool": 8, "float16": 16, "double": 64, "uint32": 32, "uint64": 64, "bfloat16": 16, "uint4": 4,
    "int4": 4,
}  # fmt: skip


class _Tensor:
    SHAPE, TYPE, SEGMENT, STRINGS, NAME, RAW, ENTRY, LOCATION = 1, 2, 3, 6, 8, 9, 13, 14
    VALUES = frozenset({4, 5, 7, 10, 11})
    """Fields of numbers that are not raw bytes."""


class _Entry:
    KEY, VALUE = 1, 2


class _ValueInfo:
    NAME, TYPE, TENSOR_TYPE = 1, 2, 1


class _TensorType:
    ELEMENT, SHAPE = 1, 2


class _Dimension:
    SIZE, NAME = 1, 2


class TensorInfo(NamedTuple):
    """An input or output of a network.

    `type` is as ONNX Runtime names it, such as "tensor(uint8)"; a name or None in `shape` stands
    for any size.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass
class _TensorFields:
    """The fields of a tensor; `raw` and `values` are sizes in bytes."""

    name: str = ""
    type: int = 0
    shape: list[int] = field(default_factory=list)
    raw: int | None = None
    values: int = 0
    is_external: bool = False
    entries: dict[str, str] = field(default_factory=dict)


class TensorReader:
    """Reads tensors of one file; `files` are those that may contain weights."""

    def __init__(self, message: MessageReader, files: WeightFiles) -> None:
        self._message = message
        self._files = files

    def read_entry(self, entry: Field, entries: dict[str, str], name: str) -> None:
        """Adds a key and value of metadata or external data to `entries`."""
        key = value = ""
        for part in self._message.fields(*range_of(entry)):
            if part[0] == _Entry.KEY:
                key = self._message.text(part, MAX_NAME_BYTES)
            elif part[0] == _Entry.VALUE:
                value = self._message.text(part, _MAX_ENTRY_BYTES)
        if key in entries:
            raise ModelFormatError(f"its {name} has {short_repr(key)} twice")
        if len(entries) >= _MAX_ENTRIES:
            raise ModelFormatError(f"its {name} has more than {_MAX_ENTRIES} entries")
        entries[key] = value

    def read_tensor(self, message: Field) -> str:
        """Returns the name of a tensor; raises ModelFormatError if its numbers are missing."""
        tensor = _TensorFields()
        for part in self._message.fields(*range_of(message)):
            number, wire_type, start, end = part
            if number == _Tensor.SHAPE:
                for side in self._message.numbers(part):
                    _check_dimensions(len(tensor.shape))
                    tensor.shape.append(side)
            elif number == _Tensor.TYPE:
                tensor.type = number_of(part)
            elif number == _Tensor.NAME:
                tensor.name = self._message.text(part, MAX_NAME_BYTES)
            elif number == _Tensor.RAW:
                tensor.raw = end - start
            elif number in _Tensor.VALUES:
                tensor.values += end - start if wire_type == BYTES else 8
            elif number == _Tensor.ENTRY:
                self.read_entry(part, tensor.entries, "external data")
            elif number == _Tensor.LOCATION:
                tensor.is_external |= number_of(part) != 0
            elif number in (_Tensor.SEGMENT, _Tensor.STRINGS):
                raise ModelFormatError("it has a tensor in segments or of strings")
        self._check_size(tensor)
        return tensor.name

    def read_info(self, message: Field) -> TensorInfo:
        """Returns an input or output."""
        name, type_, shape = "", "", tuple[int | str | None, ...]()
        for part in self._message.fields(*range_of(message)):
            if part[0] == _ValueInfo.NAME:
                name = self._message.text(part, MAX_NAME_BYTES)
            elif part[0] == _ValueInfo.TYPE:
                type_, shape = self._read_type(*range_of(part))
        if problem := name_problem(name):
            raise ModelFormatError(f"the name {short_repr(name)} of an input or output {problem}")
        if not type_:
            raise ModelFormatError(f"its input or output {short_repr(name)} is no tensor")
        return TensorInfo(name, type_, shape)

    def _check_size(self, tensor: _TensorFields) -> None:
        """Raises ModelFormatError unless the file has as many numbers as the tensor's shape."""
        name = short_repr(tensor.name)
        if tensor.type not in _TYPES:
            raise ModelFormatError(f"its tensor {name} has the unknown type {tensor.type}")
        if any(side < 0 for side in tensor.shape):
            raise ModelFormatError(f"its tensor {name} has the shape {tensor.shape}")
        count = math.prod(tensor.shape)
        size = (count * _BITS[_TYPES[tensor.type]] + 7) // 8
        if tensor.is_external or tensor.entries:
            self._files.check(name, tensor.entries, size)
        elif tensor.raw is None:
            # A value takes half a byte or more, in whichever field it is.
            if count > 2 * tensor.values:
                raise ModelFormatError(f"its tensor {name} has {count} numbers, but stores fewer")
        elif tensor.raw != size:
            raise ModelFormatError(f"its tensor {name} has {size} bytes, but stores {tensor.raw}")

    def _read_type(self, start: int, end: int) -> tuple[str, tuple[int | str | None, ...]]:
        """Returns the type and shape of a tensor; an empty type for anything else."""
        type_, shape = "", list[int | str | None]()
        for part in self._message.fields(start, end):
            if part[0] != _ValueInfo.TENSOR_TYPE:
                continue
            for inner in self._message.fields(*range_of(part)):
                if inner[0] == _TensorType.ELEMENT:
                    number = number_of(inner)
                    type_ = f"tensor({_TYPES.get(number, f'type {number}')})"
                elif inner[0] == _TensorType.SHAPE:
                    shape.extend(self._read_shape(*range_of(inner)))
        return type_, tuple(shape)

    def _read_shape(self, start: int, end: int) -> Iterator[int | str | None]:
        for count, part in enumerate(self._message.fields(start, end)):
            _check_dimensions(count)
            side: int | str | None = None
            for inner in self._message.fields(*range_of(part)):
                if inner[0] == _Dimension.SIZE:
                    side = number_of(inner)
                elif inner[0] == _Dimension.NAME:
                    side = self._message.text(inner, MAX_NAME_BYTES)
            yield side


def _check_dimensions(count: int) -> None:
    """Raises ModelFormatError before a tensor of `count` dimensions gets too many."""
    if count >= _MAX_DIMENSIONS:
        raise ModelFormatError(f"it has a tensor of more than {_MAX_DIMENSIONS} dimensions")
