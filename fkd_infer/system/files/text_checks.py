"""What text from a file may be before it is shown to people or becomes a file's name."""

from __future__ import annotations

import re

LONGEST_NAME = 200
"""Characters of a name."""
LONGEST_TEXT = 20_000
"""Characters of any other text, such as a licence."""
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|\n(?!  )")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
"""Names of devices to Windows, whatever suffix they have."""


def text_problem(text: str) -> str:
    """Why text cannot be shown as it is; empty where it can: control characters other than line
    ends and tabs can drive a terminal, and halves of characters cannot be written."""
    if len(text) > LONGEST_TEXT:
        return f"is {len(text)} characters long, and {LONGEST_TEXT} are allowed"
    found = _UNFIT.search(text)
    return f"has the control character {found[0]!r}" if found else ""


def name_problem(name: str) -> str:
    """Why text is not the name of anything; empty where it can be: one line, and not empty."""
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST_NAME:
        return f"is {len(name)} characters long, and {LONGEST_NAME} are allowed"
    found = next((character for character in name if not character.isprintable()), None)
    return "" if found is None else f"has the character {found!r}, which cannot be shown"


def file_name_problem(name: str) -> str:
    """Why a name cannot be that of a file in a folder; empty where it can, on any system."""
    problem = name_problem(name)
    if problem:
        return problem
    found = next((character for character in name if character in '/\\:*?"<>|'), None)
    if found:
        return f"has {found!r}, which no file's name may have"
    if name.startswith((".", "~", "-", " ")) or name.endswith((".", " ")):
        return "begins or ends with what no file's name should"
    return "is a device's name" if name.partition(".")[0].lower() in _RESERVED else ""


def short_repr(value: object, most: int = 200) -> str:
    """A value from a file in one line of so many characters at most."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def printable(text: object) -> str:
    """Text for a terminal, which control characters in a file's name must not drive: they are
    written out. Lines that are indented, as those of lists, stay."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(text))
