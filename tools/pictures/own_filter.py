"""The pictures of docs/tutorials/filter.md, whose scripts and packs are those of the page."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels
from tools.pictures.samples import (
    FACE,
    fkd_infer,
    frames,
    read,
    samples,
    save,
    scaled,
    side_by_side,
    write_titled_blocks,
)

_LAST = 2
"""The version of the pack that is right, after a nose alone, and a hat that sits wrong."""


def draw_points(folder: Path) -> None:
    """Writes filter-points.jpg: the numbers of points, on the photo enlarged."""
    with samples():
        save(Path("large.jpg"), scaled(read("photo.jpg")[60:200, 150:300], 6))
        fkd_infer("large.jpg --draw points --draw numbers --out drawn --quiet")
        save(folder / "filter-points.jpg", scaled(read("drawn/large.jpg"), 0.8))


def draw_layers(folder: Path) -> None:
    """Writes filter-pictures.jpg: the two pictures of the pack, on gray."""
    with samples():
        _write_pack(0)
        images = [_on_gray(f"clown/{name}.png", 240) for name in ("nose", "hat")]
        save(folder / "filter-pictures.jpg", side_by_side(images))


def draw_steps(folder: Path) -> None:
    """Writes filter-steps.jpg: the pack with a nose, with a hat that sits wrong, and mended."""
    with samples():
        steps = []
        for version in range(_LAST + 1):
            _write_pack(version)
            fkd_infer("filters preview clown --image photo.jpg --out preview.png")
            steps.append(scaled(read("preview.png")[FACE], 1.27))
        save(folder / "filter-steps.jpg", side_by_side(steps))


def draw_sheet(folder: Path) -> None:
    """Writes filter-sheet.jpg: the pack on tilted, small and cut faces."""
    with samples():
        _write_pack(_LAST)
        fkd_infer("filters preview clown --sheet --out sheet.png")
        sheet = read("sheet.png")
        half = sheet.shape[1] // 2
        rows = np.vstack([sheet[:, :half], sheet[:, half:]])
        save(folder / "filter-sheet.jpg", scaled(rows, 900 / half))


def draw_video(folder: Path) -> None:
    """Writes filter-video.jpg: frames of party.mp4 with the pack."""
    with samples():
        _write_pack(_LAST)
        fkd_infer("party.mp4 --filter clown --min-presence 0.9 --out shared --quiet")
        row = side_by_side(frames("shared/party.mp4", (0.0, 1.0, 3.0)))
        save(folder / "filter-video.jpg", scaled(row, 900 / row.shape[1]))


def _write_pack(version: int) -> None:
    """Writes the pack clown/ as the page has it after some steps."""
    write_titled_blocks("tutorials/filter.md", version)
    run_path("draw_clown.py")


def _on_gray(path: str, height: int) -> Pixels:
    """A picture with transparency, scaled to a height and put on gray."""
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    alpha = image[..., 3:] / 255
    flat = image[..., :3] * alpha + 128 * (1 - alpha)
    return scaled(flat.astype(np.uint8), height / len(image))
