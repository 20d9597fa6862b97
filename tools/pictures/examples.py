"""What the examples draw on the portrait: points, a filter, and where the head points."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from fkd_infer import read_image

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FACE = slice(10, 270), slice(80, 370)
"""Rows and columns of the portrait that are shown."""


def draw(folder: Path) -> None:
    """Writes examples.jpg."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)

        def run(*words: str | Path) -> None:
            # An example of this repository.
            subprocess.run(words, cwd=work, check=True, stdout=subprocess.DEVNULL)  # nosec B603

        run(sys.executable, EXAMPLES / "samples" / "make.py", "--no-data")
        run(sys.executable, EXAMPLES / "image" / "points.py", "photo.jpg", "points.png")
        run(sys.executable, EXAMPLES / "custom_filter" / "make_pack.py")
        infer = [sys.executable, "-m", "fkd_infer.cli.main"]
        run(*infer, "photo.jpg", "--filter", "red-nose", "--out", "filter")
        run(sys.executable, EXAMPLES / "head_pose" / "pose.py", "looks", "photo.jpg")
        pictures = ["points.png", "filter/photo.jpg", "looks/photo.jpg"]
        views = [read_image(work / picture)[FACE] for picture in pictures]
        quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        cv2.imwrite(str(folder / "examples.jpg"), cv2.hconcat(views), quality)
