"""Reads a folder of images with a CSV table of points, and reports every bad row at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fkd_infer.errors import UnreadableImageError
from fkd_infer.geometry.arrays import gray_plane
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.media.images.file import read_image
from fkd_train.choices import DATA_FORMATS
from fkd_train.data.faces import Faces, check_face
from fkd_train.errors import DatasetError

_MAX_COORDINATE = 1e6
"""Pixels; a larger coordinate is a mistake."""


def has_keypoint_csv(folder: Path, part: str) -> bool:
    """Whether a data set's folder has the table of this part."""
    return _table_path(folder, part).is_file()


def read_keypoint_csv(folder: Path, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
    """Reads the rows of `<part>_frames_keypoints.csv` and their images in `<part>/`.

    The first column is the file name, followed by x0, y0, x1, y1, … in image pixels. Images
    without a row are ignored. Raises DatasetError that lists every bad row.
    """
    path = _table_path(folder, part)
    table = _read_table(path, scheme)
    names, paths, images, points, problems = [], [], [], [], []
    for line, row in enumerate(table.itertuples(index=False, name=None), start=2):
        try:
            values = _parse_numbers(row[1:])
            check_face(values.reshape(-1, 2), scheme)
            file = folder / part / str(row[0])
            image = read_image(file)
        except (ValueError, UnreadableImageError) as error:
            problems.append(f"line {line}, {row[0]}: {error}")
            continue
        names.append(str(row[0]))
        paths.append(file)
        images.append(image if colour else gray_plane(image))
        points.append(values)
    if problems:
        raise DatasetError(path, problems)
    stacked = np.array(points, dtype=np.float32).reshape(-1, scheme.count, 2)
    return Faces(tuple(names), tuple(images), stacked, scheme, tuple(paths))


def person(name: str) -> str:
    """The person on an image: its file name up to the last underscore."""
    return name.rpartition("_")[0]


def _table_path(folder: Path, part: str) -> Path:
    return folder / f"{part}_frames_keypoints.csv"


def _read_table(path: Path, scheme: LandmarkScheme) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError as error:
        others = ", ".join(DATA_FORMATS[1:])
        fix = f"name the folder that holds it, or data of another format ({others}), with --data"
        raise DatasetError(path, ["no such file"], fix) from error
    except (OSError, ValueError) as error:
        raise DatasetError(path, [f"not a CSV table: {error}"]) from error
    columns = 1 + 2 * scheme.count
    if table.shape[1] != columns:
        layout = f"file name, x0, y0, … of the {scheme.count} points of {scheme.name}"
        expected = f"{columns} columns are expected: {layout}"
        raise DatasetError(path, [f"{table.shape[1]} columns; {expected}"])
    if table.empty:
        raise DatasetError(path, ["the table has no rows"])
    return table


def _parse_numbers(cells: tuple[str, ...]) -> NDArray[np.float32]:
    for column, cell in enumerate(cells, start=2):
        try:
            is_finite = abs(float(cell)) < _MAX_COORDINATE
        except ValueError:
            raise ValueError(f"column {column} is {cell!r}, not a number") from None
        if not is_finite:
            raise ValueError(f"column {column} is {cell!r}, not a finite number of pixels")
    return np.array(cells, dtype=np.float32)
