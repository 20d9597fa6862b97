"""Reads faces from photos of whole scenes, and keeps the part of a photo around each face."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import UnreadableImageError
from fkd_infer.geometry.arrays import Floats, Pixels, gray_plane
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.media.images.file import read_image
from fkd_train.data.faces import Faces, check_face, with_enough_labels
from fkd_train.data.shapes import with_filled_gaps
from fkd_train.errors import DatasetError

_log = logging.getLogger(__name__)

_REGION, _REGION_OF_EYES = 4.0, 6.0
"""Side of what is kept, relative to the points' box and to the distance of the outer eye corners:
the widest crop of a network whose crops have 1.25 times the side of the points' box."""
_LARGEST = 256
"""Longer side of the points' box, in pixels, from which a region is averaged to fewer pixels."""


@dataclass(frozen=True)
class SceneFace:
    """An annotated face of a photo: its points (k, 2) in the photo's pixels, NaN where they are not
    labelled.

    `where` names the annotation in messages, `name` is the photo's in the data set, and `size` the
    photo's width and height, if the annotation states it.
    """

    where: str
    name: str
    path: Path
    points: Floats
    size: tuple[int, int] | None = None


def read_scenes(
    source: Path,
    found: Sequence[SceneFace],
    scheme: LandmarkScheme,
    colour: bool,
    problems: Sequence[str],
) -> Faces:
    """Reads the photos of annotated faces, each photo once, in gray unless `colour`.

    Faces with too few labelled points are left out, which is logged. Raises DatasetError that lists
    `problems`, which were found before, and every face that cannot be read.
    """
    problems = list(problems)
    if not found and not problems:
        raise DatasetError(source, ["it has no faces"])
    chosen = with_enough_labels(source, found, [face.points for face in found])
    given = np.array([face.points for face in chosen]).reshape(-1, scheme.count, 2)
    points = with_filled_gaps(given.astype(np.float32))
    labelled: NDArray[np.bool_] = np.asarray(np.isfinite(given).all(axis=2))
    images: dict[int, Pixels] = {}
    for path, rows in _by_photo(chosen).items():
        try:
            photo = read_image(path)
        except (UnreadableImageError, OSError, ValueError) as error:
            problems += [f"{chosen[row].where}: {error}" for row in rows]
            continue
        for row in rows:
            try:
                check_face(points[row], scheme)
                _check_size(photo, chosen[row].size)
                region, points[row] = _region(photo, points[row], scheme)
            except ValueError as error:
                problems.append(f"{chosen[row].where}, {chosen[row].name}: {error}")
                continue
            images[row] = region if colour else gray_plane(region)
    if problems:
        raise DatasetError(source, problems)
    return Faces(
        names=tuple(face.name for face in chosen),
        images=tuple(images[row] for row in range(len(chosen))),
        points=points,
        scheme=scheme,
        paths=tuple(face.path for face in chosen),
        labelled=None if labelled.all() else labelled,
    )


def _by_photo(faces: Sequence[SceneFace]) -> dict[Path, list[int]]:
    rows: dict[Path, list[int]] = defaultdict(list)
    for row, face in enumerate(faces):
        rows[face.path].append(row)
    return rows


def _check_size(photo: Pixels, stated: tuple[int, int] | None) -> None:
    height, width = photo.shape[:2]
    if stated not in (None, (width, height)):
        says = " × ".join(map(str, stated))
        raise ValueError(f"the photo has {width} × {height} pixels, and its annotation says {says}")


def _region(photo: Pixels, points: Floats, scheme: LandmarkScheme) -> tuple[Pixels, Floats]:
    """What is kept of a photo around a face's points (k, 2), and the points in it."""
    box = points_box(points)
    extent = float((box[2:] - box[:2]).max())
    right, left = points[list(scheme.outer_eye_corners)]
    side = max(_REGION * extent, _REGION_OF_EYES * float(np.linalg.norm(left - right)))
    middle = (box[:2] + box[2:]) / 2
    size = np.array(photo.shape[1::-1])
    x0, y0 = np.floor(middle - side / 2).astype(int).clip(0, size).tolist()
    x1, y1 = np.ceil(middle + side / 2 + 1).astype(int).clip(0, size).tolist()
    if x0 >= x1 or y0 >= y1:
        raise ValueError("its points lie outside of the photo")
    moved = points - np.array([x0, y0], np.float32)
    region = photo[y0:y1, x0:x1]
    if extent <= _LARGEST:
        return region.copy(), moved  # a copy, so that the photo need not be kept
    small, to_region = downscale(region, extent / _LARGEST)
    return small, transform(moved, invert(to_region))
