"""The keypoint data set: a CSV of points and a folder of images, checked row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fkd_infer.errors import UnreadableImageError
from fkd_infer.geometry.arrays import gray_plane
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.media.images.file import read_image
from fkd_train.choices import Split
from fkd_train.errors import DatasetError


@dataclass(frozen=True)
class Faces:
    """Annotated faces in memory: images uint8, gray (H, W) or BGR (H, W, 3) as they were asked
    for, and points (n, k, 2), image pixels."""

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    points: NDArray[np.float32]
    scheme: LandmarkScheme = IBUG68

    def __len__(self) -> int:
        return len(self.names)

    def only(self, keep: Callable[[str], bool]) -> Faces:
        """The faces whose file name passes."""
        return self.rows([row for row, name in enumerate(self.names) if keep(name)])

    def rows(self, rows: Sequence[int]) -> Faces:
        """The faces of these rows."""
        names = tuple(self.names[row] for row in rows)
        images = tuple(self.images[row] for row in rows)
        return Faces(names, images, self.points[list(rows)], self.scheme)


_LARGEST = 1e6
"""Pixels; beyond it a coordinate is a mistake."""


def person(name: str) -> str:
    """Who is on an image: its file name up to the last underscore."""
    return name.rpartition("_")[0]


def is_held_out(name: str) -> bool:
    """Whether the identity split holds the person of an image out (one in five)."""
    return int(hashlib.md5(person(name).encode(), usedforsecurity=False).hexdigest(), 16) % 5 == 0


def load_split(
    folder: Path, split: Split, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> tuple[Faces, Faces]:
    """(training faces, evaluation faces) of a split.

    `official`: the training and test CSV as they are; all people of the test rows are in the
    training rows too. `identity`: the training CSV alone, people in one part or the other.
    Raises DatasetError with every bad row.
    """
    if split == "official":
        return _read_both(folder, scheme, colour)
    faces = read_faces(folder, "training", scheme, colour)
    parts = faces.only(lambda name: not is_held_out(name)), faces.only(is_held_out)
    if not all(map(len, parts)):
        raise DatasetError(folder, ["too few people: the identity split leaves a part empty"])
    return parts


def load_evaluation(
    folder: Path, split: Split, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """The evaluation faces of a split, as load_split gives them."""
    if split == "official":
        return read_faces(folder, evaluation_part(split), scheme, colour)
    return load_split(folder, split, scheme, colour)[1]


def evaluation_part(split: Split) -> str:
    """The folder within a data set of a split's evaluation faces."""
    return "test" if split == "official" else "training"


def _read_both(folder: Path, scheme: LandmarkScheme, colour: bool) -> tuple[Faces, Faces]:
    """Training and test rows, with the problems of both reported together."""
    try:
        training = read_faces(folder, "training", scheme, colour)
    except DatasetError as error:
        if not _csv(folder, "test").is_file():
            raise
        try:
            read_faces(folder, "test", scheme)
        except DatasetError as other:
            raise DatasetError(folder, [str(error), str(other)]) from other
        raise
    return training, read_faces(folder, "test", scheme, colour)


def read_faces(
    folder: Path, part: str, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """The rows of `<part>_frames_keypoints.csv` with their images in `<part>/`.

    The first column is the file name, then x0, y0, x1, y1, … in image pixels. Images without a
    row are ignored; without `colour`, images are gray. Raises DatasetError with every bad row.
    """
    csv = _csv(folder, part)
    table = _read_table(csv, scheme)
    names, images, points, problems = [], [], [], []
    for line, row in enumerate(table.itertuples(index=False, name=None), start=2):
        try:
            values = _numbers(row[1:])
            _check_face(values.reshape(-1, 2), scheme)
            image = read_image(folder / part / str(row[0]))
        except (ValueError, UnreadableImageError) as error:
            problems.append(f"line {line}, {row[0]}: {error}")
            continue
        names.append(str(row[0]))
        images.append(image if colour else gray_plane(image))
        points.append(values)
    if problems:
        raise DatasetError(csv, problems)
    stacked = np.array(points, dtype=np.float32).reshape(-1, scheme.count, 2)
    return Faces(tuple(names), tuple(images), stacked, scheme)


def _check_face(points: NDArray[np.float32], scheme: LandmarkScheme) -> None:
    left, right = scheme.outer_eye_corners
    if (points[left] == points[right]).all():
        raise ValueError("the outer eye corners coincide, so errors have no measure")


def _csv(folder: Path, part: str) -> Path:
    return folder / f"{part}_frames_keypoints.csv"


def _read_table(csv: Path, scheme: LandmarkScheme) -> pd.DataFrame:
    try:
        table = pd.read_csv(csv, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError as error:
        raise DatasetError(
            csv, ["there is no such file"], "--data names the folder of it"
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(csv, [f"not a CSV table: {error}"]) from error
    columns = 1 + 2 * scheme.count
    if table.shape[1] != columns:
        wanted = f"file name, x0, y0, … of the {scheme.count} points of {scheme.name}"
        expected = f"{columns} columns are expected: {wanted}"
        raise DatasetError(csv, [f"{table.shape[1]} columns; {expected}"])
    if table.empty:
        raise DatasetError(csv, ["there are no rows"])
    return table


def _numbers(cells: tuple[str, ...]) -> NDArray[np.float32]:
    for column, cell in enumerate(cells, start=2):
        try:
            finite = abs(float(cell)) < _LARGEST
        except ValueError:
            raise ValueError(f"column {column} is {cell!r}, not a number") from None
        if not finite:
            raise ValueError(f"column {column} is {cell!r}, not a finite number of pixels")
    return np.array(cells, dtype=np.float32)
