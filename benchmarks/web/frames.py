"""Frames of 640 × 480 pixels, each with one face whose points are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.end_to_end import fit
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.data.formats.ibug_pts import read_pts
from fkd_train.data.synthetic import draw_face

WIDTH, HEIGHT = 640, 480
_DRAWN = 20
_SMALLEST, _LARGEST = 130, 460
"""Sides of drawn pictures, px; a face fills about two thirds."""


@dataclass(frozen=True)
class LabelledFrame:
    """A frame (480, 640, 3), BGR, and the points (68, 2) of one of its faces in pixels."""

    image: Pixels
    points: Floats


def drawn_frames() -> list[LabelledFrame]:
    """Draws frames of one face each, of all sizes, anywhere on gray noise."""
    rng = np.random.default_rng(5)
    frames = []
    for side in np.linspace(_SMALLEST, _LARGEST, _DRAWN).astype(int).tolist():
        face, points = draw_face(side, rng)
        left, top = int(rng.integers(WIDTH - side + 1)), int(rng.integers(HEIGHT - side + 1))
        image = np.clip(rng.normal(110, 6, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        image[top : top + side, left : left + side] = bgr_image(face)
        frames.append(LabelledFrame(image, points + np.array([left, top], np.float32)))
    return frames


def photo_frames(folder: Path) -> list[LabelledFrame]:
    """The photos of a folder of 300-W, fitted into frames; raises DatasetError."""
    photos = read_pts(folder, "training", IBUG68, colour=True)
    frames = []
    for photo, points in zip(photos.images, photos.points, strict=True):
        image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        matrix = fit(photo, image)
        frames.append(LabelledFrame(image, transform(points, invert(matrix))))
    return frames


def write_frames(frames: list[LabelledFrame], folder: Path) -> list[str]:
    """Writes frames as PNG; returns the names of their files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03}.png" for number in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        cv2.imwrite(str(folder / name), frame.image)
    return names
