"""Protocol Buffers' text format, as far as Triton's config.pbtxt takes it.

https://protobuf.dev/reference/protobuf/textformat-spec. Read without a schema: every field is a
list of values, and the name of an enum's value is a string like any other. Strings are written as
JSON writes them, which the format allows; its other quotes and escapes are refused.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
_TOKEN = re.compile(r'\s+|#.*|(?P<token>"(?:[^"\\\n]|\\.)*"|[-\w.]+|[{}\[\]:,;])')


@dataclass(frozen=True)
class Message:
    """The fields of a message by name, in the order of the text.

    What is asked for and is not there, or is of another kind, raises ValueError with its name.
    """

    fields: dict[str, list[Message | str | int]] = field(default_factory=dict)

    def messages(self, name: str) -> list[Message]:
        """All messages of a field; none where it is absent."""
        return self._all(name, Message)

    def message(self, name: str) -> Message:
        """The only message of a field."""
        return _only(name, self.messages(name))

    def numbers(self, name: str) -> list[int]:
        """All whole numbers of a field; none where it is absent."""
        return self._all(name, int)

    def number(self, name: str) -> int:
        """The only whole number of a field; 0 where it is absent, as proto3 has it."""
        return _only(name, self.numbers(name) or [0])

    def text(self, name: str) -> str:
        """The only string, or name of an enum's value, of a field; empty where it is absent."""
        return _only(name, self._all(name, str) or [""])

    def _all(self, name: str, kind: type[T]) -> list[T]:
        found = self.fields.get(name, [])
        kept: list[T] = [value for value in found if isinstance(value, kind)]
        if len(kept) != len(found):
            raise ValueError(f"{name!r} has a value of another kind")
        return kept


def _only(name: str, values: list[T]) -> T:
    if len(values) != 1:
        raise ValueError(f"{name!r} stands {len(values)} times, and may once")
    return values[0]


def quoted(text: str) -> str:
    """A string as the format wants it."""
    return json.dumps(text, ensure_ascii=False)


def read(text: str) -> Message:
    """The message that a text holds; raises ValueError for one that does not follow the format."""
    tokens = deque(_tokens(text))
    message = _message(tokens)
    if tokens:
        raise ValueError(f"{tokens[0]!r} closes nothing")
    return message


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"line {line} has {text[position]!r} where none can stand")
        if match["token"]:
            yield match["token"]
        position = match.end()


def _message(tokens: deque[str]) -> Message:
    """Fields up to the closing brace or the end, neither of which is taken."""
    message = Message()
    while tokens and tokens[0] != "}":
        name = tokens.popleft()
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"{name!r} stands where a field's name should")
        message.fields.setdefault(name, []).extend(_values(tokens, name))
        _skip(tokens, ",", ";")
    return message


def _values(tokens: deque[str], name: str) -> Iterator[Message | str | int]:
    colon = _skip(tokens, ":")
    if not _skip(tokens, "["):
        yield _value(tokens, name, colon)
        return
    while not _skip(tokens, "]"):
        yield _value(tokens, name, colon)
        if not _skip(tokens, ",") and tokens and tokens[0] != "]":
            raise ValueError(f"{name!r} lacks a comma before {tokens[0]!r}")


def _value(tokens: deque[str], name: str, colon: bool) -> Message | str | int:
    if _skip(tokens, "{"):
        message = _message(tokens)
        if not _skip(tokens, "}"):
            raise ValueError(f"{name!r} is not closed")
        return message
    if not tokens or not colon or tokens[0] in "}[]:,;":
        raise ValueError(f"{name!r} has no value")
    token = tokens.popleft()
    if token.startswith('"'):
        return str(json.loads(token))
    return int(token) if re.fullmatch(r"-?\d+", token) else token


def _skip(tokens: deque[str], *marks: str) -> bool:
    """Takes the next token where it is one of the marks."""
    if tokens and tokens[0] in marks:
        tokens.popleft()
        return True
    return False
