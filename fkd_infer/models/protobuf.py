"""The wire format of protocol buffers, read with suspicion.

Fields are walked where they lie, by their places: nothing is copied that is not asked for, every
length is compared with what is there, and a file can have so many fields and no more.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]
"""(number, wire type, start, end) of a field; of a VARINT (number, VARINT, value, 0)."""
_MOST_BYTES = 10
_SIGN, _WRAP = 1 << 63, 1 << 64


class ModelFormatError(ValueError):
    """Bytes that are no message; the text says what is wrong with them."""


class MessageReader:
    """Bytes that hold messages, of which at most `most` fields are walked in all.

    Messages in messages are walked by their places, so that none is looked at twice.
    """

    def __init__(self, data: bytes, most: int) -> None:
        self.data = data
        self._most = self._left = most

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of the message from `start` to `end`; raises ModelFormatError."""
        data, at = self.data, start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ModelFormatError(f"it has more than {self._most} parts")
            tag = data[at]
            at += 1
            if tag > 127:
                tag, at = self._varint(at - 1, end)
            number, wire = tag >> 3, tag & 7
            if not number:
                raise ModelFormatError("it has a field without a number")
            if wire == VARINT:
                value, at = self._varint(at, end)
                yield number, wire, value, 0
                continue
            if wire == BYTES:
                size, at = self._varint(at, end)
            elif wire == FIXED32:
                size = 4
            elif wire == FIXED64:
                size = 8
            else:
                raise ModelFormatError(f"it has a field of the unknown wire type {wire}")
            if size > end - at:
                raise ModelFormatError("it is cut short, or no ONNX file at all")
            yield number, wire, at, at + size
            at += size

    def numbers(self, field: Field) -> Iterator[int]:
        """Yields the integers of a repeated field, packed or not; raises ModelFormatError."""
        _, wire, start, end = field
        if wire == VARINT:
            yield _signed(start)
            return
        _expect(field, BYTES)
        at = start
        while at < end:
            value, at = self._varint(at, end)
            yield _signed(value)

    def text(self, field: Field, most: int) -> str:
        """A field's text of at most so many bytes; raises ModelFormatError for any other."""
        _, _, start, end = field
        _expect(field, BYTES)
        if end - start > most:
            raise ModelFormatError(f"it has a text of {end - start} bytes where {most} are allowed")
        try:
            return self.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise ModelFormatError("it has a text that is not UTF-8") from error

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """A number of variable length, and where it ends."""
        if at < end and (first := self.data[at]) < 128:  # as most are
            return first, at + 1
        value = shift = 0
        for place in range(at, min(at + _MOST_BYTES, end)):
            byte = self.data[place]
            value |= (byte & 127) << shift
            if byte < 128:
                return value % _WRAP, place + 1
            shift += 7
        raise ModelFormatError("it is cut short or damaged in the middle of a number")


def number_of(field: Field) -> int:
    """The signed integer of a field; raises ModelFormatError where it is of another type."""
    _expect(field, VARINT)
    return _signed(field[2])


def part_of(field: Field) -> tuple[int, int]:
    """Where the message or the bytes in a field begin and end; raises ModelFormatError."""
    _expect(field, BYTES)
    return field[2], field[3]


def _expect(field: Field, wire: int) -> None:
    if field[1] != wire:
        raise ModelFormatError(
            f"its field {field[0]} has the wire type {field[1]} instead of {wire}"
        )


def _signed(value: int) -> int:
    return value - _WRAP if value >= _SIGN else value
