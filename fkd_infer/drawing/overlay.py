"""What faces wear: filters, and the overlay on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fkd_infer.drawing.annotator import Annotator
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.types import Face


class Effect(Protocol):
    """Something that is drawn on faces."""

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws on a BGR image itself."""
        ...


@dataclass(frozen=True)
class Overlay:
    """Filters under an overlay."""

    annotator: Annotator
    filters: Effect | None = None

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws the faces on a BGR image itself."""
        if self.filters is not None:
            self.filters.draw(canvas, faces)
        self.annotator.draw(canvas, faces)
