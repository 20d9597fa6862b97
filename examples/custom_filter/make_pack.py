"""Draws the filter pack red-nose/: python make_pack.py."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

SIDE, RADIUS = 256, 110
RED = (40, 30, 220)  # blue, green, red
PACK = {
    "version": 1,
    "name": "red-nose",
    "title": "Red nose",
    "layers": [
        {
            "image": "nose.png",
            "z": 40,
            "depth": 0.1,  # in front of the nose, so that it shifts when the head turns
            "anchors": [
                {"points": [30], "at": [128, 110]},  # the tip of the nose
                {"points": [31], "at": [52, 190]},  # the wings
                {"points": [35], "at": [204, 190]},
            ],
        }
    ],
}


def ball() -> np.ndarray:
    """A shaded red ball, (SIDE, SIDE, 4) in blue, green, red and alpha, lit from the upper left."""
    y, x = (np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2) / RADIUS
    inside = x**2 + y**2 < 1
    z = np.sqrt(np.where(inside, 1 - x**2 - y**2, 0))
    light = np.clip((-x - y + 1.5 * z) / np.sqrt(4.25), 0, 1)
    shine = light[..., None] ** 40
    colour = (0.35 + 0.65 * light[..., None]) * np.array(RED) * (1 - shine) + 255 * shine
    image = np.dstack([colour, 255.0 * inside])
    return cv2.GaussianBlur(image, (5, 5), 0).astype(np.uint8)  # a soft edge


def main() -> None:
    """Writes the folder red-nose with filter.json and its picture."""
    folder = Path("red-nose")
    folder.mkdir(exist_ok=True)
    (folder / "filter.json").write_text(json.dumps(PACK, indent=2) + "\n")
    cv2.imwrite(str(folder / "nose.png"), ball())
    print(f"made {folder}/")


if __name__ == "__main__":
    main()
