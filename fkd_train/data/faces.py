"""Annotated faces in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme


@dataclass(frozen=True)
class Faces:
    """Images uint8, gray (H, W) or BGR (H, W, 3), each with the points (n, k, 2) of one face, in
    image pixels. `paths` are their files, if they were read from files, and `sets` the names of
    their data sets."""

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    points: NDArray[np.float32]
    scheme: LandmarkScheme = IBUG68
    paths: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Faces]) -> Faces:
        """The faces of several data sets with the same scheme, in their order."""
        first, *others = parts
        if not others:
            return first
        names = tuple(name for part in parts for name in part.names)
        images = tuple(image for part in parts for image in part.images)
        paths = tuple(path for part in parts for path in part.paths)
        points = np.concatenate([part.points for part in parts])
        sets = tuple(name for part in parts for name in part.sets)
        return cls(names, images, points, first.scheme, paths, sets)

    def __len__(self) -> int:
        return len(self.names)

    def only(self, passes: Callable[[str], bool]) -> Faces:
        """The faces whose file name passes the test."""
        return self.rows([row for row, name in enumerate(self.names) if passes(name)])

    def rows(self, rows: Sequence[int]) -> Faces:
        """The faces with these indices."""
        names = tuple(self.names[row] for row in rows)
        images = tuple(self.images[row] for row in rows)
        paths = tuple(self.paths[row] for row in rows) if self.paths else ()
        sets = tuple(self.sets[row] for row in rows) if self.sets else ()
        return Faces(names, images, self.points[list(rows)], self.scheme, paths, sets)

    def of_set(self, name: str) -> Faces:
        """The same faces, as those of a data set."""
        return replace(self, sets=len(self) * (name,))


def check_face(points: NDArray[np.float32], scheme: LandmarkScheme) -> None:
    """Raises ValueError for points (k, 2) whose outer eye corners coincide."""
    left, right = scheme.outer_eye_corners
    if (points[left] == points[right]).all():
        raise ValueError("the outer eye corners coincide, so errors cannot be normalised")
