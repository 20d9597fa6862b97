"""Annotated faces in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme


@dataclass(frozen=True)
class Faces:
    """Images uint8, gray (H, W) or BGR (H, W, 3), each with the points (n, k, 2) of one face, in
    image pixels."""

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    points: NDArray[np.float32]
    scheme: LandmarkScheme = IBUG68

    def __len__(self) -> int:
        return len(self.names)

    def only(self, passes: Callable[[str], bool]) -> Faces:
        """The faces whose file name passes the test."""
        return self.rows([row for row, name in enumerate(self.names) if passes(name)])

    def rows(self, rows: Sequence[int]) -> Faces:
        """The faces with these indices."""
        names = tuple(self.names[row] for row in rows)
        images = tuple(self.images[row] for row in rows)
        return Faces(names, images, self.points[list(rows)], self.scheme)
