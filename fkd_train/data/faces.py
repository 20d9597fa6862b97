"""Annotated faces in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_train.data.shapes import with_filled_gaps
from fkd_train.errors import DatasetError

_log = logging.getLogger(__name__)

Annotated = TypeVar("Annotated")
FEWEST_LABELS = 3
"""Labelled points of a face from which its other points are placed."""


@dataclass(frozen=True)
class Faces:
    """Images uint8, gray (H, W) or BGR (H, W, 3), each with the points (n, k, 2) of one face, in
    image pixels. `paths` are their files, if they were read from files, and `sets` the names of
    their data sets.

    `labelled` (n, k) says which points were annotated, None for all of them. The others have a
    place where they probably are, by which faces are cut out, and nothing is measured or learned.
    """

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    points: NDArray[np.float32]
    scheme: LandmarkScheme = IBUG68
    paths: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    labelled: NDArray[np.bool_] | None = None

    @classmethod
    def with_gaps(
        cls,
        names: Sequence[str],
        images: Sequence[NDArray[np.uint8]],
        points: Sequence[NDArray[np.float32]],
        scheme: LandmarkScheme,
        paths: Sequence[Path],
    ) -> Faces:
        """Faces with points (k, 2) that are NaN where they were not labelled."""
        given = np.array(points, np.float32).reshape(-1, scheme.count, 2)
        labelled: NDArray[np.bool_] = np.asarray(np.isfinite(given).all(axis=2))
        return cls(
            tuple(names),
            tuple(images),
            with_filled_gaps(given),
            scheme,
            tuple(paths),
            labelled=None if labelled.all() else labelled,
        )

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
        labelled = None
        if any(part.labelled is not None for part in parts):
            labelled = np.concatenate([part.labels for part in parts])
        return cls(names, images, points, first.scheme, paths, sets, labelled)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Which points (n, k) are labelled."""
        if self.labelled is None:
            return np.ones(self.points.shape[:2], np.bool_)
        return self.labelled

    @property
    def labelled_points(self) -> NDArray[np.float32]:
        """The points (n, k, 2), NaN where they are not labelled."""
        if self.labelled is None:
            return self.points
        return np.where(self.labelled[..., None], self.points, np.float32(np.nan))

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
        labelled = None if self.labelled is None else self.labelled[list(rows)]
        return Faces(names, images, self.points[list(rows)], self.scheme, paths, sets, labelled)

    def fully_labelled(self) -> Faces:
        """The faces of which all points are labelled."""
        if self.labelled is None:
            return self
        return self.rows(np.flatnonzero(self.labelled.all(axis=1)).tolist())

    def of_set(self, name: str) -> Faces:
        """The same faces, as those of a data set."""
        return replace(self, sets=len(self) * (name,))


def check_face(points: NDArray[np.float32], scheme: LandmarkScheme) -> None:
    """Raises ValueError for points (k, 2) whose outer eye corners coincide."""
    left, right = scheme.outer_eye_corners
    if (points[left] == points[right]).all():
        raise ValueError("the outer eye corners coincide, so errors cannot be normalised")


def with_enough_labels(
    source: Path, given: Sequence[Annotated], points: Sequence[NDArray[np.float32]]
) -> list[Annotated]:
    """Those of some annotated faces whose points (k, 2) fix the place of the others, which are NaN.

    Logs how many are left out; raises DatasetError if all are.
    """
    kept = [
        one
        for one, place in zip(given, points, strict=True)
        if np.isfinite(place).all(axis=1).sum() >= min(FEWEST_LABELS, len(place))
    ]
    fewer = f"fewer than {FEWEST_LABELS} labelled points"
    if given and not kept:
        raise DatasetError(source, [f"all {len(given)} faces have {fewer}"])
    if len(kept) < len(given):
        left_out = len(given) - len(kept)
        _log.warning("%s: leaves out %d of %d faces with %s", source, left_out, len(given), fewer)
    return kept
