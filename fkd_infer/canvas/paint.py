"""How pictures are blended into what they are drawn on.

A picture's colours are multiplied by alpha beforehand. A pixel d below it becomes

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


@dataclass(frozen=True, slots=True)
class Paint:
    """How a picture is blended: `gain` multiplies its colours, which its palette does, and
    `strength` its opacity."""

    blend: Blend = "normal"
    gain: float = 1.0
    strength: float = 1.0

    def keep_and_add(self, picture: Pixels) -> tuple[Pixels, Pixels | None]:
        """What is kept of 255 of the pixels below a picture BGRA (h, w, 4), and what is added, both
        (h, w, 3); None: nothing is."""
        if self.strength < 1:
            picture = scaled(picture, self.strength)
        colour = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), np.uint8)
        if self.blend == "screen":
            return np.asarray(cv2.bitwise_not(colour), np.uint8), colour
        clear = cv2.bitwise_not(cv2.extractChannel(picture, 3))
        keep = np.asarray(cv2.cvtColor(clear, cv2.COLOR_GRAY2BGR), np.uint8)
        if self.blend == "multiply":
            return np.asarray(cv2.add(keep, colour, dst=keep), np.uint8), None
        return keep, colour


def scaled(pixels: Pixels, factor: float) -> Pixels:
    """Pixels times a factor, up to 255."""
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=factor), np.uint8)
