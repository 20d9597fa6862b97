"""The blocks of code of a page, for what runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

_REASON = re.compile(r"<!-- not run: (?P<reason>[^>]+) -->\s*")
_TITLE = re.compile(r'title="(?P<name>[^"]+)"')


@dataclass(frozen=True)
class Block:
    """A block of code, the line where it begins, and why it does not run.

    `title` is the file that it is to be written to; empty if there is none, as is `reason`.
    """

    language: str
    title: str
    code: str
    line: int
    reason: str

    def write(self) -> None:
        """Writes the file of its title, below the working directory."""
        path = Path(self.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.code, "utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order; raises ValueError for code that is indented, not fenced."""
    reason = ""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block":
            found = _REASON.fullmatch(token.content)
            reason = found["reason"] if found else ""
        elif token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = _TITLE.search(rest)
            line = token.map[0] + 1 if token.map else 0
            yield Block(language, title["name"] if title else "", token.content, line, reason)
            reason = ""
        elif token.type == "code_block":
            raise ValueError(f"{page}:{token.map}: indented code; use a fence")
