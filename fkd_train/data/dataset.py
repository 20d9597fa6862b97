"""Reads a data set in any of the known formats, and splits it into training and evaluation faces.

To add a format: write a module like keypoint_csv.py, with a function that recognises the format
and one that reads it, and add a row to `FORMATS`. Images lie in `<folder>/<part>/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_train.choices import Split
from fkd_train.data.faces import Faces
from fkd_train.data.keypoint_csv import has_keypoint_csv, read_keypoint_csv
from fkd_train.errors import DatasetError


class DatasetFormat(NamedTuple):
    """`has_part(folder, part)` recognises the format by its files; `read(folder, part, scheme,
    colour)` reads one part, with gray images unless `colour`."""

    has_part: Callable[[Path, str], bool]
    read: Callable[[Path, str, LandmarkScheme, bool], Faces]


FORMATS = (DatasetFormat(has_keypoint_csv, read_keypoint_csv),)
"""Known formats; the first one reports the missing files of a folder that matches none."""


def read_faces(
    folder: Path, part: str, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """Reads the faces of one part; raises DatasetError that lists every bad row."""
    known = _find_format(folder, part) or FORMATS[0]
    return known.read(folder, part, scheme, colour)


def _find_format(folder: Path, part: str) -> DatasetFormat | None:
    return next((known for known in FORMATS if known.has_part(folder, part)), None)


def person(name: str) -> str:
    """The person on an image: its file name up to the last underscore."""
    return name.rpartition("_")[0]


def is_held_out(name: str) -> bool:
    """Whether the identity split holds out the person of an image (one in five)."""
    return int(hashlib.md5(person(name).encode(), usedforsecurity=False).hexdigest(), 16) % 5 == 0


def load_split(
    folder: Path, split: Split, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> tuple[Faces, Faces]:
    """Reads (training faces, evaluation faces).

    `official`: the parts `training` and `test`; every person in the test rows is in the training
    rows too. `identity`: the part `training` alone, with each person in one of the two.
    Raises DatasetError that lists every bad row.
    """
    if split == "official":
        return _read_both_parts(folder, scheme, colour)
    faces = read_faces(folder, "training", scheme, colour)
    parts = faces.only(lambda name: not is_held_out(name)), faces.only(is_held_out)
    if not all(map(len, parts)):
        raise DatasetError(folder, ["too few people: the identity split leaves a part empty"])
    return parts


def load_evaluation(
    folder: Path, split: Split, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """Reads the evaluation faces of a split, as `load_split` does."""
    if split == "official":
        return read_faces(folder, evaluation_part(split), scheme, colour)
    return load_split(folder, split, scheme, colour)[1]


def evaluation_part(split: Split) -> str:
    """The part of a data set that holds a split's evaluation faces."""
    return "test" if split == "official" else "training"


def _read_both_parts(folder: Path, scheme: LandmarkScheme, colour: bool) -> tuple[Faces, Faces]:
    """Reads training and test rows; reports the problems of both together."""
    try:
        training = read_faces(folder, "training", scheme, colour)
    except DatasetError as error:
        if _find_format(folder, "test") is None:
            raise
        try:
            read_faces(folder, "test", scheme)
        except DatasetError as other:
            raise DatasetError(folder, [str(error), str(other)]) from other
        raise
    return training, read_faces(folder, "test", scheme, colour)
