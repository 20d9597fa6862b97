"""Reads faces of COCO keypoint files, such as COCO-WholeBody's and those that fkd-infer writes.

COCO: Lin et al., ECCV 2014. COCO-WholeBody: Jin et al., ECCV 2020.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.system.files.text_checks import short_repr
from fkd_train.data.faces import Faces
from fkd_train.data.formats.part_files import find_part, get_part
from fkd_train.data.formats.scenes import SceneFace, read_scenes
from fkd_train.errors import DatasetError

_SUFFIX = ".json"
_FIELDS = ("keypoints", "face_kpts")
"""Fields with x, y and visibility of each point: COCO's, and those of COCO-WholeBody's faces."""
_PHOTO_FOLDERS = (".", "images", "training", "test", "train2017", "val2017")
"""Where photos lie, below the file's folder or the one around it."""
_MAX_COORDINATE = 1e6


def has_coco(given: Path, part: str) -> bool:
    """Whether there is a JSON file for this part."""
    return find_part(given, part, _SUFFIX) is not None


def read_coco(given: Path, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
    """Reads the annotations of a file with three numbers for each point of a scheme, and the part
    of each photo around its faces.

    Points with a visibility of 0 are not labelled. Crowds and annotations without points are left
    out. Raises DatasetError that lists every bad annotation.
    """
    path = get_part(given, part, _SUFFIX)
    table = _read_json(path)
    photos = {}
    problems = []
    for number, image in enumerate(_rows(path, table, "images")):
        try:
            photos[image["id"]] = (str(image["file_name"]), _size(image))
        except (KeyError, TypeError):
            problems.append(f"images[{number}]: it has no id, or no file_name")
    annotations = list(_with_points(path, _rows(path, table, "annotations"), scheme))
    faces = []
    for where, annotation, values in annotations:
        try:
            points = _parse(values)
            name, size = photos[annotation["image_id"]]
        except (KeyError, TypeError):
            problems.append(f"{where}: image_id names none of the images")
        except ValueError as error:
            problems.append(f"{where}: {error}")
        else:
            faces.append(SceneFace(where, name, _photo(path, name), points, size))
    return read_scenes(path, faces, scheme, colour, problems)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(path, [error.strerror or str(error)]) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(path, [f"not JSON: {error}"]) from error
    if not isinstance(table, dict):
        raise DatasetError(path, ["not an object with images and annotations, as COCO has them"])
    return table


def _rows(path: Path, table: Mapping[str, Any], field: str) -> list[Any]:
    rows = table.get(field)
    if not isinstance(rows, list) or not rows:
        raise DatasetError(path, [f"it has no list of {field}, as COCO's keypoint files have"])
    return rows


def _with_points(
    path: Path, annotations: list[Any], scheme: LandmarkScheme
) -> Iterator[tuple[str, Mapping[str, Any], list[Any]]]:
    """Yields each annotation with the scheme's number of points: where it is, and its numbers.

    Raises DatasetError if the file has points, but never that many.
    """
    wanted, lengths, is_found = 3 * scheme.count, set[int](), False
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or annotation.get("iscrowd"):
            continue
        lists = [annotation.get(field) for field in _FIELDS]
        found = next(
            (some for some in lists if isinstance(some, list) and len(some) == wanted), None
        )
        lengths |= {len(some) for some in lists if isinstance(some, list)}
        if found is not None:
            is_found = True
            yield f"annotation {annotation.get('id', number)}", annotation, found
    if not is_found:
        there = ", ".join(map(str, sorted(lengths))) or "none"
        problem = (
            f"no annotation has {wanted} numbers in {' or '.join(_FIELDS)}, three for each of the "
            f"{scheme.count} points of {scheme.name}; their lengths: {there}"
        )
        raise DatasetError(path, [problem], "choose the scheme of these points in the recipe")


def _parse(values: list[Any]) -> Floats:
    """Points (k, 2), NaN where the visibility is 0, from x, y and visibility of each."""
    for value in values:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < _MAX_COORDINATE:
            raise ValueError(f"{short_repr(value)} is not a number of pixels, nor a visibility")
    table = np.array(values, np.float32).reshape(-1, 3)
    points: Floats = np.where(table[:, 2:] > 0, table[:, :2], np.float32(np.nan))
    return points


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height of an image, if its file states them."""
    if "width" not in image or "height" not in image:
        return None
    return image["width"], image["height"]


def _photo(path: Path, name: str) -> Path:
    """The photo of this name beside a file; if there is none, where it is expected first."""
    around = (path.parent, path.parent.parent)
    places = [folder / inner / name for folder in around for inner in _PHOTO_FOLDERS]
    # Not Path.is_file, which raises for names that are too long.
    return next((place for place in [*places, Path(name)] if os.path.isfile(place)), places[0])  # noqa: PTH113
