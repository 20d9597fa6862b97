"""Drawings that small face detectors take for faces: lettering, seven-segment digits, emblems,
heads of animals.

A closed loop above another, or dark parts in a round outline, is enough for them. Every random
choice uses the generator that is passed in.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fkd_infer.geometry.arrays import Pixels, bgr_image, gray_plane
from fkd_train.data.augmentation.photometric import Rng

_CHARACTERS = "00123456888899ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz@&%?!:."
_FAMILIES = ("DejaVu", "STIXGeneral")
"""Fonts that come with matplotlib and have letters and digits; others are for evaluation."""
_FONT_SIZES = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320)
_SEGMENTS = (
    ((0, 0), (1, 0)),
    ((1, 0), (1, 1)),
    ((1, 1), (1, 2)),
    ((0, 2), (1, 2)),
    ((0, 1), (0, 2)),
    ((0, 0), (0, 1)),
    ((0, 1), (1, 1)),
)
"""Ends of the strokes a to g of a seven-segment digit, in a box of 1 × 2."""
_LIT = (0b0111111, 0b0000110, 0b1011011, 0b1001111, 0b1100110, 0b1101101, 0b1111101, 0b0000111)
_LIT_DIGITS = (*_LIT, 0b1111111, 0b1101111)


def lettering(tile: Pixels, rng: Rng) -> None:
    """Writes lines of random letters and digits of one font over a tile (H, W, 3)."""
    height, width = tile.shape[:2]
    picture = Image.fromarray(tile)
    canvas = ImageDraw.Draw(picture)
    largest = 1.2 * min(height, width)
    wanted = np.exp(rng.uniform(np.log(10), np.log(max(11.0, largest))))
    font = _font(int(rng.integers(1 << 30)), min(_FONT_SIZES, key=lambda size: abs(size - wanted)))
    for _ in range(int(rng.integers(1, 6))):
        text = "".join(rng.choice(list(_CHARACTERS), int(rng.integers(1, 8))))
        place = rng.uniform(-0.1, 0.8, 2) * (width, height)
        ink = tuple(rng.integers(0, 256, 3).tolist())
        outline = int(rng.random() < 0.2) * 2
        canvas.text((float(place[0]), float(place[1])), text, ink, font, stroke_width=outline)
    tile[:] = np.asarray(picture)


def segment_digits(tile: Pixels, rng: Rng) -> None:
    """Draws digits as displays and scoreboards show them, over a tile (H, W, 3)."""
    height, width = tile.shape[:2]
    if rng.random() < 0.6:
        tile[:] = rng.integers(0, 60, 3)
    size = float(np.exp(rng.uniform(np.log(5), np.log(max(6.0, 0.45 * min(height, width))))))
    thickness = max(1, round(size * rng.uniform(0.12, 0.4)))
    ink = rng.integers(90, 256, 3).tolist()
    corner = rng.uniform(0, 0.6, 2) * (width, height)
    slant = rng.uniform(-0.15, 0.15)
    for number in range(int(rng.integers(1, 7))):
        lit = _LIT_DIGITS[int(rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 9, 9]))]
        left = corner + np.array([number * size * 1.6, 0])
        for segment, ends in enumerate(_SEGMENTS):
            if lit >> segment & 1:
                start, end = (left + size * (np.array(e) - (slant * e[1], 0)) for e in ends)
                first, last = (np.rint(p).astype(int).tolist() for p in (start, end))
                cv2.line(tile, first, last, ink, thickness, cv2.LINE_AA)


def emblem(tile: Pixels, rng: Rng) -> None:
    """Draws a badge, coin, wheel, dial or button over a tile (H, W, 3): rings, spokes, holes."""
    height, width = tile.shape[:2]
    radius = float(np.exp(rng.uniform(np.log(5), np.log(max(6.0, 0.6 * min(height, width))))))
    centre = np.rint(rng.uniform(0.2, 0.8, 2) * (width, height)).astype(int).tolist()
    squeeze, tilt = rng.uniform(0.6, 1.0), float(rng.uniform(0, 180))
    for share in np.sort(rng.uniform(0.3, 1.0, int(rng.integers(1, 5))))[::-1]:
        axes = max(1, round(radius * share)), max(1, round(radius * share * squeeze))
        thickness = -1 if rng.random() < 0.6 else max(1, round(radius * rng.uniform(0.03, 0.2)))
        ink = rng.integers(0, 256, 3).tolist()
        cv2.ellipse(tile, centre, axes, tilt, 0, 360, ink, thickness, cv2.LINE_AA)
    ink = rng.integers(0, 256, 3).tolist()
    marks = int(rng.integers(0, 13))
    first, inner, outer = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.6), rng.uniform(0.5, 0.95)
    for mark in range(marks):
        angle = first + 2 * np.pi * mark / marks
        along = np.array([np.cos(angle), np.sin(angle)])
        ends = [np.rint(centre + radius * r * along).astype(int).tolist() for r in (inner, outer)]
        if marks % 3 == 0:
            cv2.circle(tile, ends[1], max(1, round(0.09 * radius)), ink, -1, cv2.LINE_AA)
        else:
            cv2.line(tile, ends[0], ends[1], ink, max(1, round(0.07 * radius)), cv2.LINE_AA)


def animal(tile: Pixels, rng: Rng) -> None:
    """Draws the head of a cat, dog, bear or the like over a tile (H, W, 3): ears, eyes, muzzle."""
    height, width = tile.shape[:2]
    size = float(np.exp(rng.uniform(np.log(12), np.log(max(13.0, 0.9 * min(height, width))))))
    middle = rng.uniform(0.3, 0.7, 2) * (width, height)
    lean, sink = rng.normal(0, 0.25), rng.uniform(-0.15, 0.1)
    across = np.array([np.cos(lean), np.sin(lean)])
    down = np.array([-across[1], across[0]])
    fur, dark = rng.integers(60, 256, 3).tolist(), rng.integers(0, 70, 3).tolist()
    inside = rng.integers(0, 256, 3).tolist()

    def place(x: float, y: float) -> list[int]:
        pixel: list[int] = np.rint(middle + size / 2 * (x * across + y * down)).astype(int).tolist()
        return pixel

    def disc(x: float, y: float, wide: float, high: float, ink: list[int]) -> None:
        axes = max(1, round(0.5 * size * wide)), max(1, round(0.5 * size * high))
        angle = float(np.degrees(lean))
        cv2.ellipse(tile, place(x, y), axes, angle, 0, 360, ink, -1, cv2.LINE_AA)

    pointed, apart, reach = rng.random() < 0.5, rng.uniform(0.5, 0.8), rng.uniform(0.9, 1.4)
    for side in (-1, 1):
        if pointed:
            corners = [(side * (apart - 0.35), -0.6), (side * apart, -reach), (side * 0.9, -0.3)]
            triangle = np.array([place(*corner) for corner in corners], np.int32)
            cv2.fillPoly(tile, [triangle], fur, cv2.LINE_AA)
        else:
            disc(side * apart, -0.8 * reach, 0.35, 0.4, inside if rng.random() < 0.4 else fur)
    disc(0, 0, rng.uniform(0.8, 1.0), rng.uniform(0.75, 1.05), fur)
    eye, opened = rng.uniform(0.3, 0.5), rng.uniform(0.08, 0.2)
    for side in (-1, 1):
        disc(side * eye, sink - 0.1, 1.2 * opened, opened, inside)
        disc(side * eye, sink - 0.1, 0.6 * opened, 0.9 * opened, dark)
    disc(0, sink + 0.4, rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.4), inside)
    disc(0, sink + 0.25, 0.14, 0.1, dark)
    width_px = max(1, round(0.02 * size))
    cv2.line(tile, place(0, sink + 0.3), place(0, sink + 0.5), dark, width_px, cv2.LINE_AA)
    for side in (-1, 1):
        for whisker in range(int(rng.integers(0, 4))):
            far = place(side * 1.1, sink + 0.2 + 0.15 * whisker)
            cv2.line(tile, place(side * 0.2, sink + 0.4), far, dark, width_px, cv2.LINE_AA)


def with_drawing(pixels: Pixels, rng: Rng) -> Pixels:
    """Draws one of these over a crop (S, S, C) of one or three channels."""
    tile = bgr_image(pixels[..., 0] if pixels.shape[2] == 1 else pixels).copy()
    draw = (lettering, segment_digits, emblem, animal)[int(rng.integers(4))]
    draw(tile, rng)
    return tile if pixels.shape[2] == 3 else gray_plane(tile)[..., None]


@lru_cache(maxsize=256)
def _font_of(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _font(choice: int, size: int) -> ImageFont.FreeTypeFont:
    paths = _font_paths()
    return _font_of(paths[choice % len(paths)], size)


@lru_cache(maxsize=1)
def _font_paths() -> list[Path]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = sorted(path for family in _FAMILIES for path in folder.glob(f"{family}*.ttf"))
    return [path for path in found if "Display" not in path.stem]
