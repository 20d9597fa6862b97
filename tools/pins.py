"""The hashed requirements in requirements/: what each file pins, and by which hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
EXTRAS = {
    "runtime-cpu": ("cpu", "live"),
    "runtime-gpu": ("gpu", "live"),
    "train": ("cpu", "live", "train"),
}
"""Files, without .txt, and the extras of fkd that each is for."""

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True)
class Pin:
    """One package at one version; `hashes` are the sha256 of its files, `marker` says where it is
    needed."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]


def read_pins(path: Path) -> list[Pin]:
    """The pins of a file; raises ValueError for a line that is anything but a pin with hashes."""
    return [_pin(path, line) for line in _whole_lines(path.read_text(encoding="utf-8"))]


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _whole_lines(text: str) -> Iterator[str]:
    """Lines without comments, those that end with a backslash joined with the next."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def _pin(path: Path, line: str) -> Pin:
    found = _PIN.fullmatch(line)
    if found is None:
        raise ValueError(f"{path.name}: not a package with version and sha256: {line[:80]}")
    hashes = tuple(re.findall(r"sha256:([0-9a-f]{64})", found["hashes"]))
    return Pin(canonical(found["name"]), found["version"], found["marker"], hashes)
