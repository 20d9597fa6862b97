"""Alpha blending of a filter's picture into a frame.

The picture's colours are multiplied by alpha beforehand. A frame's pixel d becomes

    d · keep / 255 + add,   normal:   keep = 255 - a,      add = c
                            multiply: keep = 255 - a + c,  add = 0
                            screen:   keep = 255 - c,      add = c

with c the colour times alpha and a the alpha, both from 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """How a picture is blended: `gain` multiplies its colours, `strength` its opacity."""

    blend: Blend = "normal"
    gain: float = 1.0
    strength: float = 1.0


def blend(region: Pixels, picture: Pixels, paint: Paint) -> None:
    """Blends a picture (h, w, 4), colours times alpha, into a region (h, w, 3) in place."""
    if paint.strength < 1:
        picture = _scaled(picture, paint.strength)
    colour = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), np.uint8)
    if paint.gain != 1:
        colour = _scaled(colour, paint.gain)
    if paint.blend == "screen":
        keep = cv2.bitwise_not(colour)
    else:
        keep = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(picture, 3)), cv2.COLOR_GRAY2BGR)
    if paint.blend == "multiply":
        keep = cv2.add(keep, colour)
    cv2.multiply(region, keep, dst=region, scale=1 / 255)
    if paint.blend != "multiply":
        cv2.add(region, colour, dst=region)


def _scaled(pixels: Pixels, factor: float) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=factor), np.uint8)
