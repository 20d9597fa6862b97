"""Filters and annotations, drawn in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.types import Face


class Effect(Protocol):
    """Draws something on faces, as a Filter does."""

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        """Draws on a BGR image or a canvas in place."""
        ...


@dataclass(frozen=True)
class Overlay:
    """An annotator on top of filters."""

    annotator: Annotator
    filters: Effect | None = None

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        """Draws on a BGR image or a canvas in place."""
        if self.filters is not None:
            self.filters.draw(image, faces)
        self.annotator.draw(image, faces)
