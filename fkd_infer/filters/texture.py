"""A picture with transparency, ready to be drawn at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Palette
from fkd_infer.canvas.paint import Paint
from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Matrix, Pixels
from fkd_infer.geometry.crop import downscale

_MIN_SIDE = 8
"""Shorter side of the smallest level, in pixels."""
_GAIN_STEPS = 64
"""Steps of a gain of 1 that a level is brought to once: too small to be seen."""
_KEPT_FORMS = 24
"""Forms of levels that are kept: of several faces, some far and some near, each in its light."""
_ROWS = 128
"""Rows that are multiplied by alpha at once: floats of a large picture would fill a gigabyte."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A BGRA picture (H, W, 4) whose colours are not multiplied by alpha."""

    image: Pixels
    opacity: float = 1.0

    @cached_property
    def levels(self) -> list[tuple[Pixels, Matrix]]:
        """The visible part of the picture times alpha, at sizes halved each time, with the matrices
        from its pixels to those of the whole picture.

        Multiplied colours keep invisible pixels from bleeding into an edge that is interpolated.
        """
        x, y, visible = self._visible()
        full = np.empty_like(visible)
        for top in range(0, len(full), _ROWS):
            part = visible[top : top + _ROWS]
            alpha = part[..., 3:].astype(np.float32) * self.opacity
            colour = part[..., :3].astype(np.float32) * (alpha / 255)
            full[top : top + _ROWS] = np.rint(np.concatenate([colour, alpha], axis=-1))
        levels = [(full, np.eye(2, 3))]
        while min(levels[-1][0].shape[:2]) >= 2 * _MIN_SIDE:
            levels.append(downscale(full, 2 ** len(levels)))
        shift = np.array([[0.0, 0, x], [0, 0, y]])
        return [(pixels, to_visible + shift) for pixels, to_visible in levels]

    def _visible(self) -> tuple[int, int, Pixels]:
        """The part of the picture that is not transparent, and where it begins, x and y."""
        rows, columns = (np.flatnonzero(self.image[..., 3].any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return 0, 0, self.image[:1, :1]
        x, y = int(columns[0]), int(rows[0])
        return x, y, self.image[y : rows[-1] + 1, x : columns[-1] + 1]

    def level(
        self, scale: float, palette: Palette, paint: Paint
    ) -> tuple[NDArray[Any], tuple[float, float, float, float]]:
        """The smallest level that is not enlarged when the picture is drawn at this scale, in the
        form in which a canvas of this palette blends it.

        Also returns how a pixel of it lies in the picture: at x · (first) + (second), and so for y.
        """
        number = math.floor(-math.log2(max(scale, 1e-6)))
        number = max(0, min(number, len(self.levels) - 1))
        pixels, to_image = self.levels[number]
        gain = round(paint.gain * _GAIN_STEPS)
        key = number, palette, paint.blend, gain
        if key not in self._in_palettes:
            while len(self._in_palettes) >= _KEPT_FORMS:
                self._in_palettes.pop(next(iter(self._in_palettes)), None)
            self._in_palettes[key] = palette.picture(pixels, paint.blend, gain / _GAIN_STEPS)
        (across, _, x), (_, down, y) = to_image.tolist()
        return self._in_palettes[key], (across, x, down, y)

    @cached_property
    def _in_palettes(self) -> dict[tuple[int, Palette, Blend, int], NDArray[Any]]:
        """Levels in the colours of canvases that were drawn on, and for the light on faces."""
        return {}
