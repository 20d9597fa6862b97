"""The pictures of docs/tutorials/photos.md."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import numpy as np

from fkd_infer.geometry.arrays import Pixels
from tools.pictures.samples import (
    fkd_infer,
    read,
    samples,
    save,
    scaled,
    side_by_side,
    write_titled_blocks,
)

_WIDTH = 440
_CORNER = (slice(0, 128), slice(0, 256))
_SIDEWAYS = (slice(120, 290), slice(272, 512))


def draw_sheet(folder: Path) -> None:
    """Writes photos-sheet.jpg: the contact sheet of holiday/."""
    with samples():
        fkd_infer("holiday/ --sheet sheet.jpg --quiet")
        sheet = read("sheet.jpg")
        save(folder / "photos-sheet.jpg", scaled(sheet, 900 / sheet.shape[1]))


def draw_missed(folder: Path) -> None:
    """Writes photos-missed.jpg: small and turned faces, without and with the option for them."""
    with samples():
        write_titled_blocks("tutorials/photos.md")
        run_path("hard.py")
        fkd_infer("hard/ --out usual --quiet")
        fkd_infer("hard/group.jpg --min-face 16 --out found --quiet")
        fkd_infer("hard/sideways.jpg --roll any --out found --quiet")
        rows = [_row("group.jpg", _CORNER), _row("sideways.jpg", _SIDEWAYS)]
        space = np.full((8, rows[0].shape[1], 3), 255, np.uint8)
        save(folder / "photos-missed.jpg", np.vstack([rows[0], space, rows[1]]))


def _row(name: str, part: tuple[slice, slice]) -> Pixels:
    """A part of a picture as it is found usually, and as it is found with the option."""
    images = [read(f"{run}/{name}")[part] for run in ("usual", "found")]
    return side_by_side([scaled(image, _WIDTH / image.shape[1]) for image in images])
