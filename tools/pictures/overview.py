"""Pictures of the first pages: points on a face, and all filters."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fkd_infer.drawing.annotator import Annotator
from fkd_infer.filters.pack import BUILTIN_PACKS
from fkd_infer.loading import load
from fkd_infer.types import Frame
from tools.pictures.samples import fkd_infer, read, samples, save, scaled

_FACE = (slice(45, 205), slice(125, 325))
_VIEWS = (0, 1, 3, 5)
"""Columns of a sheet: upright, tilted, small, cut at the right."""
_SIDE = 100
_CELL = 300


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


def draw_points(folder: Path) -> None:
    """Writes gallery-points.jpg: a face as it is, tilted, at the border, dark, small, and two."""
    with samples():
        image = read("photo.jpg")
    face = image[:300, 70:370]
    turn = cv2.getRotationMatrix2D((224, 110), 35, 1.2)
    turn[:, 2] += (150 - 224, 150 - 110)
    small = cv2.resize(image, (200, 200), interpolation=cv2.INTER_AREA)
    views = [
        face,
        cv2.warpAffine(image, turn, (_CELL, _CELL), borderMode=cv2.BORDER_REFLECT),
        image[:300, 212:512],
        (face // 6).astype(np.uint8),
        cv2.copyMakeBorder(small, 100, 0, 50, 50, cv2.BORDER_REPLICATE),
        np.hstack([image[40:340, 150:300], image[40:340, 300:150:-1]]),
    ]
    pipeline = load(provider="cpu")
    annotator = Annotator(pipeline.card.landmarks)
    drawn = []
    for view in views:
        cell = cv2.resize(view, (_CELL, _CELL)).astype(np.uint8)
        drawn.append(annotator(Frame(cell, "gallery"), pipeline(cell)).image)
    save(folder / "gallery-points.jpg", np.vstack([np.hstack(drawn[:3]), np.hstack(drawn[3:])]))
