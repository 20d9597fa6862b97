"""A picture with transparency, ready to be drawn at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Palette
from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Matrix, Pixels
from fkd_infer.geometry.crop import downscale

_MIN_SIDE = 8
"""Shorter side of the smallest level, in pixels."""
_ROWS = 128
"""Rows that are multiplied by alpha at once: floats of a large picture would fill a gigabyte."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A BGRA picture (H, W, 4) whose colours are not multiplied by alpha."""

    image: Pixels
    opacity: float = 1.0

    @cached_property
    def levels(self) -> list[tuple[Pixels, Matrix]]:
        """The picture times alpha at sizes halved each time, with the matrices back to full size.

        Multiplied colours keep invisible pixels from bleeding into an edge that is interpolated.
        """
        full = np.empty_like(self.image)
        for top in range(0, len(full), _ROWS):
            part = self.image[top : top + _ROWS]
            alpha = part[..., 3:].astype(np.float32) * self.opacity
            colour = part[..., :3].astype(np.float32) * (alpha / 255)
            full[top : top + _ROWS] = np.rint(np.concatenate([colour, alpha], axis=-1))
        levels = [(full, np.eye(2, 3))]
        while min(levels[-1][0].shape[:2]) >= 2 * _MIN_SIDE:
            levels.append(downscale(full, 2 ** len(levels)))
        return levels

    def level(self, scale: float, palette: Palette, blend: Blend) -> tuple[NDArray[Any], Matrix]:
        """The smallest level that is not enlarged when the picture is drawn at this scale, in the
        form in which a canvas of this palette blends it."""
        number = math.floor(-math.log2(max(scale, 1e-6)))
        pixels, to_image = self.levels[number := max(0, min(number, len(self.levels) - 1))]
        key = number, palette, blend
        if key not in self._in_palettes:
            self._in_palettes[key] = palette.picture(pixels, blend)
        return self._in_palettes[key], to_image

    @cached_property
    def _in_palettes(self) -> dict[tuple[int, Palette, Blend], NDArray[Any]]:
        """Levels in the colours of canvases that were drawn on."""
        return {}
