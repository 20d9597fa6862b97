"""Reads the wire format of protocol buffers from untrusted bytes.

Fields are read in place: nothing is copied unless it is asked for, every length is checked against
the bytes that are left, and the number of fields is limited.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]
"""(number, wire type, start, end) of a field; (number, VARINT, value, 0) of a VARINT."""
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_SIGN, _WRAP = 1 << 63, 1 << 64


class ModelFormatError(ValueError):
    """A model's bytes are not as they must be; the text says what is wrong."""


class MessageReader:
    """Reads nested messages; at most `max_fields` fields in all, so that no message is read over
    and over."""

    def __init__(self, data: bytes, max_fields: int) -> None:
        self.data = data
        self._max_fields = self._fields_left = max_fields

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yields the fields of the message from `start` to `end`; raises ModelFormatError."""
        data, at = self.data, start
        while at < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise ModelFormatError(f"it has more than {self._max_fields} fields")
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = self._varint(at - 1, end)
            number, wire_type = tag >> 3, tag & 7
            if not number:
                raise ModelFormatError("it has a field without a number")
            if wire_type == VARINT:
                value, at = self._varint(at, end)
                yield number, wire_type, value, 0
                continue
            if wire_type == BYTES:
                size, at = self._varint(at, end)
            elif wire_type in _FIXED_BYTES:
                size = _FIXED_BYTES[wire_type]
            else:
                raise ModelFormatError(f"it has a field of the unknown wire type {wire_type}")
            if size > end - at:
                raise ModelFormatError("it is truncated, or no ONNX file at all")
            yield number, wire_type, at, at + size
            at += size

    def numbers(self, field: Field) -> Iterator[int]:
        """Yields the integers of a repeated field, packed or not; raises ModelFormatError."""
        _, wire_type, start, end = field
        if wire_type == VARINT:
            yield _signed(start)
            return
        _check_wire_type(field, BYTES)
        at = start
        while at < end:
            value, at = self._varint(at, end)
            yield _signed(value)

    def text(self, field: Field, max_bytes: int) -> str:
        """Returns a field's text; raises ModelFormatError if it is longer or not UTF-8."""
        _, _, start, end = field
        _check_wire_type(field, BYTES)
        if end - start > max_bytes:
            size = end - start
            raise ModelFormatError(
                f"it has a text of {size} bytes, but at most {max_bytes} are allowed"
            )
        try:
            return self.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise ModelFormatError("it has a text that is not UTF-8") from error

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Returns a number of variable length, and where it ends."""
        if at < end and (first := self.data[at]) < 128:  # the most common case
            return first, at + 1
        value = shift = 0
        for place in range(at, min(at + _MAX_VARINT_BYTES, end)):
            byte = self.data[place]
            value |= (byte & 127) << shift
            if byte < 128:
                return value % _WRAP, place + 1
            shift += 7
        raise ModelFormatError("it is truncated or damaged in the middle of a number")


def number_of(field: Field) -> int:
    """Returns the signed integer of a field; raises ModelFormatError if it is no VARINT."""
    _check_wire_type(field, VARINT)
    return _signed(field[2])


def range_of(field: Field) -> tuple[int, int]:
    """Returns where the message or bytes of a field start and end; raises ModelFormatError."""
    _check_wire_type(field, BYTES)
    return field[2], field[3]


def _check_wire_type(field: Field, expected: int) -> None:
    number, wire_type, _, _ = field
    if wire_type != expected:
        raise ModelFormatError(
            f"its field {number} has the wire type {wire_type} instead of {expected}"
        )


def _signed(value: int) -> int:
    return value - _WRAP if value >= _SIGN else value
