"""Pictures of the first pages: points on a face, and all filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fkd_infer.filters.pack import BUILTIN_PACKS
from tools.pictures.samples import fkd_infer, read, samples, save, scaled

_FACE = (slice(45, 205), slice(125, 325))
_VIEWS = (0, 1, 3, 5)
"""Columns of a sheet: upright, tilted, small, cut at the right."""
_SIDE = 100


def draw_demo(folder: Path) -> None:
    """Writes demo.jpg: points on the face of the photo of `make demo`, enlarged."""
    with samples():
        save(Path("large.jpg"), scaled(read("photo.jpg")[_FACE], 2.5))
        fkd_infer("large.jpg --out drawn --quiet")
        save(folder / "demo.jpg", read("drawn/large.jpg"))


def draw_filters(folder: Path) -> None:
    """Writes filters.jpg: two built-in filters in a row, each upright, tilted, small and cut."""
    names = sorted(path.parent.name for path in BUILTIN_PACKS.glob("*/filter.json"))
    with samples():
        fkd_infer(f"filters preview {' '.join(names)} --image photo.jpg --sheet --out sheet.png")
        sheet = read("sheet.png")
    side = sheet.shape[0] // len(names)
    rows = [sheet[top : top + side] for top in range(0, len(sheet), side)]
    rows = [np.hstack([row[:, view * side : (view + 1) * side] for view in _VIEWS]) for row in rows]
    half = len(rows) // 2
    both = np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])])
    save(folder / "filters.jpg", scaled(both, _SIDE / side))
