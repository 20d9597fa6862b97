"""Reads images and points of faces from NumPy arrays."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image, gray_plane
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.system.files.reading import open_regular
from fkd_train.data.faces import Faces, check_face, with_enough_labels
from fkd_train.data.formats.part_files import find_part, get_part
from fkd_train.errors import DatasetError

_SUFFIX = ".npz"
_NAMES = ("images", "points", "visible", "names")
_MAX_COORDINATE = 1e6
_DAMAGED = (
    OSError, ValueError, EOFError, KeyError, MemoryError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What a file raises that numpy did not write, or that is cut short."""


def has_npz(given: Path, part: str) -> bool:
    """Whether there is an NPZ file for this part."""
    return find_part(given, part, _SUFFIX) is not None


def read_npz(given: Path, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
    """Reads an NPZ file: `images` uint8, gray (n, H, W) or RGB (n, H, W, 3); `points` (n, k, 2) in
    their pixels; perhaps `visible` (n, k), and `names` (n,) of people or photos.

    Points that are NaN or not visible are not labelled. Raises DatasetError that lists every bad
    face, and for arrays of other shapes and types.
    """
    path = get_part(given, part, _SUFFIX)
    arrays = _read_arrays(path)
    images = _images(path, arrays["images"])
    points = _points(path, arrays, len(images), scheme)
    names = _face_names(path, arrays.get("names"), len(images))
    rows = with_enough_labels(path, range(len(images)), list(points))
    faces = Faces.with_gaps(
        [names[row] for row in rows],
        [_converted(images[row], colour) for row in rows],
        [points[row] for row in rows],
        scheme,
        [path] * len(rows),
    )
    problems = []
    for row, name, placed in zip(rows, faces.names, faces.points, strict=True):
        try:
            check_face(placed, scheme)
        except ValueError as error:
            problems.append(f"face {row}, {name}: {error}")
    if problems:
        raise DatasetError(path, problems)
    return faces


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with open_regular(path) as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise ValueError("it holds one array without a name")
            arrays = {name: content[name] for name in _NAMES if name in content}
    except _DAMAGED as error:
        raise DatasetError(path, [f"not NumPy arrays: {error}"]) from error
    missing = [name for name in _NAMES[:2] if name not in arrays]
    if missing:
        raise DatasetError(path, [f"it has no array {' and no array '.join(missing)}"])
    return arrays


def _images(path: Path, images: NDArray[np.generic]) -> Pixels:
    is_plane, is_colour = images.ndim == 3, images.ndim == 4 and images.shape[3] == 3
    if images.dtype != np.uint8 or not (is_plane or is_colour) or not images.size:
        problem = f"images is {images.dtype} of shape {images.shape}"
        fix = "store uint8, gray (n, H, W) or RGB (n, H, W, 3), with at least one image"
        raise DatasetError(path, [problem], fix)
    return np.asarray(images, np.uint8)


def _points(
    path: Path, arrays: dict[str, NDArray[np.generic]], count: int, scheme: LandmarkScheme
) -> Floats:
    """The points (n, k, 2), NaN where they are not labelled."""
    given, expected = arrays["points"], (count, scheme.count, 2)
    if given.dtype.kind not in "iuf" or given.shape != expected:
        problem = f"points is {given.dtype} of shape {given.shape}, and {count} images with the "
        problem += f"points of {scheme.name} need numbers of shape {expected}"
        raise DatasetError(path, [problem])
    points = given.astype(np.float32)
    too_far = np.argwhere(~np.isnan(points) & ~(np.abs(points) < _MAX_COORDINATE))
    if len(too_far):
        problems = [
            f"points[{', '.join(map(str, place))}] is {points[tuple(place)]}, not a coordinate"
            for place in too_far.tolist()
        ]
        raise DatasetError(path, problems)
    visible = arrays.get("visible")
    if visible is None:
        return points
    if visible.dtype.kind not in "biuf" or visible.shape != expected[:2]:
        problem = f"visible is {visible.dtype} of shape {visible.shape}, not numbers of shape "
        raise DatasetError(path, [problem + str(expected[:2])])
    return np.where(visible.astype(np.float32)[..., None] > 0, points, np.float32(np.nan))


def _face_names(path: Path, names: NDArray[np.generic] | None, count: int) -> list[str]:
    """The name of each face: its number without names."""
    if names is None:
        return [str(row) for row in range(count)]
    if names.dtype.kind != "U" or names.shape != (count,):
        problem = f"names is {names.dtype} of shape {names.shape}, not text of shape {(count,)}"
        raise DatasetError(path, [problem])
    return [str(name) for name in names]


def _converted(image: Pixels, colour: bool) -> Pixels:
    """An image as others are read: BGR (H, W, 3) or gray (H, W)."""
    if image.ndim == 3:
        image = np.ascontiguousarray(image[..., ::-1])
    return bgr_image(image) if colour else gray_plane(image)
