"""Checks of text from files, before it is shown to people or used as a file name."""

from __future__ import annotations

import re

MAX_NAME = 200
"""Characters of a name."""
MAX_TEXT = 20_000
"""Characters of other text, such as a licence."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TERMINAL_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|\n(?!  )")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
"""Names of devices on Windows, with any suffix."""


def text_problem(text: str) -> str:
    """Returns why text cannot be shown, or an empty string.

    Control characters can drive a terminal, apart from line ends and tabs; surrogates cannot be
    encoded.
    """
    if len(text) > MAX_TEXT:
        return f"is {len(text)} characters long, and {MAX_TEXT} are allowed"
    match = _UNPRINTABLE.search(text)
    return f"has the control character {match[0]!r}" if match else ""


def name_problem(name: str) -> str:
    """Returns why text is not a name, one line that is not empty, or an empty string."""
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME:
        return f"is {len(name)} characters long, and {MAX_NAME} are allowed"
    character = next((c for c in name if not c.isprintable()), None)
    return "" if character is None else f"has the character {character!r}, which cannot be shown"


def file_name_problem(name: str) -> str:
    """Returns why a name cannot be a file's on every system, or an empty string."""
    problem = name_problem(name)
    if problem:
        return problem
    character = next((c for c in name if c in '/\\:*?"<>|'), None)
    if character:
        return f"has {character!r}, which file names cannot contain"
    if name.startswith((".", "~", "-", " ")) or name.endswith((".", " ")):
        return "begins or ends with a character that file names should not"
    reserved = name.partition(".")[0].lower() in _RESERVED
    return "is the name of a device on Windows" if reserved else ""


def short_repr(value: object, max_length: int = 200) -> str:
    """Returns the repr of a value in one line, shortened to a length."""
    try:
        text = repr(value)
    except ValueError:  # Python converts no integer of more than 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def printable(text: object) -> str:
    """Returns text for a terminal, with control characters escaped: a file's name may have some.

    Line ends stay where an indented line follows, as in lists.
    """
    return _TERMINAL_CONTROL.sub(lambda match: repr(match[0])[1:-1], str(text))
