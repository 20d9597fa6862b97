"""The gallery: points on faces as photos have them, head pose, and all filters."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

import fkd_infer
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.types import Frame

_CELL = 300
_QUALITY = 82


def portrait() -> Pixels:
    """NASA's portrait of Eileen Collins, in BGR."""
    image: Pixels = np.ascontiguousarray(astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    return image


def save(path: Path, image: Pixels) -> None:
    """Writes a JPEG of a size for pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]):
        raise OSError(f"{path}: cannot be written")


def draw_points(folder: Path) -> None:
    """Writes gallery-points.jpg: a face as it is, tilted, at the border, dark, small, and two."""
    image = portrait()
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
    pipeline = fkd_infer.load(provider="cpu")
    annotator = Annotator(pipeline.card.landmarks)
    drawn = []
    for view in views:
        cell = cv2.resize(view, (_CELL, _CELL)).astype(np.uint8)
        drawn.append(annotator(Frame(cell, "gallery"), pipeline(cell)).image)
    save(folder / "gallery-points.jpg", np.vstack([np.hstack(drawn[:3]), np.hstack(drawn[3:])]))


def draw_filters(folder: Path) -> None:
    """Writes filters.jpg: each filter in a row, on eight views of the portrait."""
    packs = Path(fkd_infer.__file__).parent / "filters" / "packs"
    names = sorted(pack.parent.name for pack in packs.glob("*/filter.json"))
    with tempfile.TemporaryDirectory() as place:
        sheet = Path(place, "sheet.png")
        command = [sys.executable, "-m", "fkd_infer.cli.main", "filters", "preview", *names]
        subprocess.run([*command, "--sheet", "--out", str(sheet)], check=True)
        image = cv2.imread(str(sheet))
    assert image is not None
    smaller = cv2.resize(image, (960, 960), interpolation=cv2.INTER_AREA)
    save(folder / "filters.jpg", smaller.astype(np.uint8))
