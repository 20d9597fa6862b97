"""Lines after a run about files that were left out, or written in another format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fkd_infer.media.images.formats import by_suffix
from fkd_infer.stores.address import Place


@dataclass(frozen=True)
class LeftOut:
    """Counts the files of folders that are no sources, by suffix."""

    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, path: Place) -> None:
        """Counts a file; of folders, only hidden ones and links are left out."""
        if path.name.startswith("."):
            kind = "hidden"
        elif path.is_dir():
            kind = "links to folders"
        else:
            kind = path.suffix.lower() or "without suffix"
        self.counts[kind] += 1

    def __str__(self) -> str:
        """One line; empty if nothing was left out."""
        if not self.counts:
            return ""
        return f"left out of folders: {_counted(self.counts.most_common())}"


def written_otherwise(suffixes: Counter[tuple[str, str]]) -> str:
    """A line about sources that are written in another format, by the suffixes of sources and
    outputs; empty if there is none."""
    counts = [
        (f"{old or 'without suffix'} as {new}", count)
        for (old, new), count in suffixes.most_common()
        if _changes_format(old, new)
    ]
    if not counts:
        return ""
    return f"written in another format: {_counted(counts)}"


def _changes_format(old: str, new: str) -> bool:
    return old != new and (by_suffix(old) is not by_suffix(new) or by_suffix(old) is None)


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts)
