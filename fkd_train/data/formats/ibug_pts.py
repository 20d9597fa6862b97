"""Reads a folder of images with a `.pts` file each, as 300-W has them.

300-W: Sagonas et al., ICCV Workshops 2013; its folders are those of Helen, LFPW and AFW.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from fkd_infer.errors import UnreadableImageError
from fkd_infer.geometry.arrays import Floats, gray_plane
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.media.images.file import read_image
from fkd_train.data.faces import Faces, check_face
from fkd_train.errors import DatasetError

_TEST_FOLDERS = {"testset", "ibug"}
"""Names of folders whose faces are for tests."""
_IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg", ".bmp")
_FLICKR_NAME = re.compile(r"(\d+)_\d+")
"""Helen and AFW name a face after its photo, with a number."""


def has_pts(folder: Path, part: str) -> bool:
    """Whether a data set's folder has `.pts` files for this part."""
    return next(_annotations(folder, part), None) is not None


def read_pts(folder: Path, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
    """Reads all `.pts` files below a folder, and the image beside each.

    Files below folders named testset or ibug are the part "test", all others "training". Points
    are counted from 1 in the files: the centre of the first pixel becomes 0. Raises DatasetError
    that lists every bad file.
    """
    names, paths, images, points, problems = [], [], [], [], []
    for annotation in sorted(_annotations(folder, part)):
        try:
            face = _parse_points(annotation, scheme)
            check_face(face, scheme)
            path = _image_beside(annotation)
            image = read_image(path)
        except (OSError, ValueError, UnreadableImageError) as error:
            problems.append(f"{annotation.relative_to(folder).as_posix()}: {error}")
            continue
        names.append(path.relative_to(folder).as_posix())
        paths.append(path)
        images.append(image if colour else gray_plane(image))
        points.append(face)
    if problems:
        raise DatasetError(folder, problems)
    if not names:
        where = " or ".join(sorted(_TEST_FOLDERS))
        fix = f"test faces lie below folders named {where}, training faces elsewhere"
        raise DatasetError(folder, [f"it has no .pts files for the part {part}"], fix)
    stacked = np.array(points, np.float32).reshape(-1, scheme.count, 2)
    return Faces(tuple(names), tuple(images), stacked, scheme, tuple(paths))


def source_photo(name: str) -> str:
    """The photo that a face's image was cut from: 100032540 for helen/trainset/100032540_1.jpg."""
    stem = PurePosixPath(name).stem.removesuffix("_mirror")
    flickr = _FLICKR_NAME.fullmatch(stem)
    return flickr[1] if flickr else stem


def _annotations(folder: Path, part: str) -> Iterator[Path]:
    for path in folder.rglob("*.pts"):
        is_test = not _TEST_FOLDERS.isdisjoint(path.relative_to(folder).parts[:-1])
        if is_test == (part == "test"):
            yield path


def _image_beside(annotation: Path) -> Path:
    candidates = [annotation.with_suffix(suffix) for suffix in _IMAGE_SUFFIXES]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise ValueError(f"no image beside it ({', '.join(_IMAGE_SUFFIXES)})")
    return found


def _parse_points(path: Path, scheme: LandmarkScheme) -> Floats:
    """The points (k, 2) of a file, with or without header lines and braces."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        cells = line.replace("{", " ").replace("}", " ").split()
        if not cells or cells[0].rstrip(":") in ("version", "n_points"):
            continue
        try:
            x, y = map(float, cells)
        except ValueError:
            raise ValueError(f"line {number} is {line[:60]!r}, not x y of a point") from None
        rows.append((x, y))
    if len(rows) != scheme.count:
        expected = f"{scheme.name} has {scheme.count}"
        raise ValueError(f"{len(rows)} points; {expected}")
    points = np.array(rows) - 1
    if not np.isfinite(points).all():
        raise ValueError("a coordinate is not a finite number of pixels")
    return points.astype(np.float32)
