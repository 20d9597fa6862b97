"""Filters and annotations, drawn in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fkd_infer.drawing.annotator import Annotator
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.types import Face


class Effect(Protocol):
    """Draws something on faces, as a Filter does."""

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws on a BGR image in place."""
        ...


@dataclass(frozen=True)
class Overlay:
    """An annotator on top of filters."""

    annotator: Annotator
    filters: Effect | None = None

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws on a BGR image in place."""
        if self.filters is not None:
            self.filters.draw(canvas, faces)
        self.annotator.draw(canvas, faces)
