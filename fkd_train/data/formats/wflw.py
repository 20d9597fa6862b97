"""Reads the folder of WFLW (Wu et al., Look at Boundary, CVPR 2018): 98 points in whole photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import LandmarkScheme, find_scheme
from fkd_train.data.faces import Faces
from fkd_train.data.formats.scenes import SceneFace, read_scenes
from fkd_train.errors import DatasetError

_LISTS = Path("WFLW_annotations", "list_98pt_rect_attr_train_test")
_PHOTOS = "WFLW_images"
_PARTS = {"training": "train", "test": "test"}
_COUNT = 98
_CELLS = 2 * _COUNT + 4 + 6 + 1
"""Of a line: points, box, attributes, and the photo's name."""
IBUG_OF_WFLW = (
    *range(0, 33, 2),  # contour: every second point
    *range(33, 38),  # upper lines of the brows
    *range(42, 47),
    *range(51, 60),  # nose
    *(60, 61, 63, 64, 65, 67),  # eyes, without the middles of the lids
    *(68, 69, 71, 72, 73, 75),
    *range(76, 96),  # lips
)
"""The point of WFLW's 98 that stands for each of iBUG's 68."""


def has_wflw(folder: Path, part: str) -> bool:
    """Whether a data set's folder has WFLW's list of this part."""
    return _list_path(folder, part).is_file()


def read_wflw(folder: Path, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
    """Reads WFLW's list of faces, and the part of each photo around its faces.

    A line has 196 coordinates, a box, six attributes, and the photo's name. The points are those of
    wflw98, or iBUG's 68 of them for the schemes ibug68 and coco-face. Raises DatasetError for other
    schemes, and one that lists every bad line.
    """
    path = _list_path(folder, part)
    order = _order(path, scheme)
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise DatasetError(path, ["no such file"], "name the folder of WFLW") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(path, [f"not a list of WFLW: {error}"]) from error
    faces, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            points, name = _parse(line)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        photo = folder / _PHOTOS / name
        faces.append(SceneFace(f"line {number}", name, photo, points[order]))
    return read_scenes(path, faces, scheme, colour, problems)


def ibug_points(points: Floats) -> Floats:
    """The 68 points (…, 68, 2) of iBUG from WFLW's (…, 98, 2)."""
    return points[..., IBUG_OF_WFLW, :]


def _list_path(folder: Path, part: str) -> Path:
    return folder / _LISTS / f"list_98pt_rect_attr_{_PARTS[part]}.txt"


def _order(path: Path, scheme: LandmarkScheme) -> list[int]:
    """The points of WFLW that are those of a scheme."""
    if scheme == find_scheme("wflw98"):
        return list(range(_COUNT))
    if scheme in (find_scheme("ibug68"), find_scheme("coco-face")):
        return list(IBUG_OF_WFLW)
    problem = f"its points are those of wflw98, not of {scheme.name}"
    raise DatasetError(path, [problem], "use the scheme wflw98 or ibug68 in the recipe")


def _parse(line: str) -> tuple[Floats, str]:
    """The points (98, 2) of a line, and the photo's name."""
    cells = line.split(maxsplit=_CELLS - 1)
    if len(cells) != _CELLS:
        raise ValueError(f"{len(cells)} values, and a line of WFLW has {_CELLS}")
    for column, cell in enumerate(cells[: 2 * _COUNT], start=1):
        try:
            is_place = abs(float(cell)) < 1e6
        except ValueError:
            is_place = False
        if not is_place:
            raise ValueError(f"value {column} is {cell[:40]!r}, not a coordinate in pixels")
    return np.array(cells[: 2 * _COUNT], np.float32).reshape(_COUNT, 2), cells[-1].strip()
