"""Reads the hashed requirements in requirements/: pinned versions and the hashes of their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
EXTRAS = {
    "runtime-cpu": ("cpu", "live"),
    "runtime-gpu": ("gpu", "live"),
    "train": ("cpu", "live", "train"),
}
"""Requirements files, without .txt, and the extras of fkd that each pins."""

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True)
class Pin:
    """A package at one version: its environment marker and the sha256 of its files."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]


def read_pins(path: Path) -> list[Pin]:
    """Reads a file's pins; raises ValueError for a line that is not a pin with hashes."""
    return [_pin(path, line) for line in _logical_lines(path.read_text(encoding="utf-8"))]


def canonical(name: str) -> str:
    """Normalises a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _logical_lines(text: str) -> Iterator[str]:
    """Yields lines without comments, joined where they end with a backslash."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def _pin(path: Path, line: str) -> Pin:
    match = _PIN.fullmatch(line)
    if match is None:
        raise ValueError(f"{path.name}: not a package with version and sha256: {line[:80]}")
    hashes = tuple(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"]))
    return Pin(canonical(match["name"]), match["version"], match["marker"], hashes)
