"""Pictures of training: what the commands of the tutorials write, reduced to what a page shows.

Each function runs the blocks of its page in a temporary folder, so that the pictures show what a
reader gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels
from tools.pictures.samples import ROOT, read, samples
from tools.site.blocks import blocks

WIDTH = 900
_OPTIONS = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 82], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9]}


def draw_training(images: Path) -> None:
    """Writes the curves of docs/tutorials/train.md, and faces with true and predicted points."""
    with _followed("train.md") as folder:
        plots = folder / "runs" / "faces" / "plots"
        curves, faces = read(plots / "curves.png"), read(plots / "faces.png")
        _write(images / "train-curves.png", _to_width(curves))
        pair = faces.shape[1] // 6  # a row has three faces, each with its two pictures
        _write(images / "train-faces.jpg", _to_width(faces[:pair]))


def draw_own_points(images: Path) -> None:
    """Writes three faces of docs/tutorials/own-points.md with their numbered points."""
    with _followed("own-points.md") as folder:
        names = [f"Person_{person}_00.jpg" for person in range(3)]
        faces = [read(folder / "annotated" / name) for name in names]
        side = WIDTH // len(faces)
        row = [cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC) for face in faces]
        _write(images / "own-points.jpg", np.hstack(row).astype(np.uint8))


@contextmanager
def _followed(page: str) -> Iterator[Path]:
    """A folder in which the files and commands of a tutorial are made and run."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": programs}
    with samples(data=True) as folder:
        for block in blocks(ROOT / "docs" / "tutorials" / page):
            if block.title:
                block.write()
            elif block.language == "sh" and not block.reason:
                # The commands of this repository's page.
                command = ["bash", "-euo", "pipefail", "-c", block.code]
                subprocess.run(command, env=environment, check=True)  # nosec B603
        yield folder


def _to_width(image: Pixels) -> Pixels:
    height = round(image.shape[0] * WIDTH / image.shape[1])
    return cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _write(path: Path, image: Pixels) -> None:
    if not cv2.imwrite(str(path), image, _OPTIONS[path.suffix]):
        raise OSError(f"{path}: cannot be written")
