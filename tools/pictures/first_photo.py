"""The pictures of docs/start.md: the first photo, and what a result says of a face."""

from __future__ import annotations

from pathlib import Path

from tools.pictures.samples import FACE, fkd_infer, read, samples, save, scaled


def draw_photo(folder: Path) -> None:
    """Writes start-photo.jpg: what `fkd-infer photo.jpg --out annotated` writes."""
    with samples():
        fkd_infer("photo.jpg --out annotated --quiet")
        save(folder / "start-photo.jpg", read("annotated/photo.jpg"))


def draw_parts(folder: Path) -> None:
    """Writes start-face.jpg: box, score and points, on the photo enlarged."""
    with samples():
        save(Path("large.jpg"), scaled(read("photo.jpg")[FACE], 3))
        fkd_infer("large.jpg --draw box --draw score --draw points --out drawn --quiet")
        save(folder / "start-face.jpg", read("drawn/large.jpg"))
