"""Reads data sets in any of the known formats, and splits them into training and evaluation faces.

To add a format: write a module like keypoint_csv.py, with a function that recognises the format
and one that reads it, and add a row to `FORMATS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_train.choices import Split
from fkd_train.data.faces import Faces
from fkd_train.data.ibug_pts import has_pts, read_pts, source_photo
from fkd_train.data.keypoint_csv import has_keypoint_csv, person, read_keypoint_csv
from fkd_train.errors import DatasetError

DataFolders = Path | Sequence[Path]
"""The folder of a data set, or those of several that are used together."""


class DatasetFormat(NamedTuple):
    """`has_part(folder, part)` recognises the format by its files; `read(folder, part, scheme,
    colour)` reads one part, with gray images unless `colour`. `source(name)` is what images must
    share to be on the same side of a split: a person or a photo; the identity split holds out one
    of `folds` sources."""

    has_part: Callable[[Path, str], bool]
    read: Callable[[Path, str, LandmarkScheme, bool], Faces]
    source: Callable[[str], str]
    folds: int

    def is_held_out(self, name: str) -> bool:
        """Whether the identity split holds out an image."""
        digest = hashlib.md5(self.source(name).encode(), usedforsecurity=False).hexdigest()
        return int(digest, 16) % self.folds == 0


KEYPOINT_CSV = DatasetFormat(has_keypoint_csv, read_keypoint_csv, person, folds=5)
IBUG_PTS = DatasetFormat(has_pts, read_pts, source_photo, folds=10)
FORMATS = (KEYPOINT_CSV, IBUG_PTS)
"""Known formats; the first one reports the missing files of a folder that matches none."""


def read_faces(
    data: DataFolders, part: str, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """Reads the faces of one part of each data set; raises DatasetError that lists every bad
    row."""
    return Faces.joined(
        [_format_of(folder, part).read(folder, part, scheme, colour) for folder in folders_of(data)]
    )


def folders_of(data: DataFolders) -> Sequence[Path]:
    """The folder or folders, as a sequence."""
    return [data] if isinstance(data, Path) else data


def _format_of(folder: Path, part: str) -> DatasetFormat:
    """The format of a part or, to report that it is missing, of another part."""
    named = (_find_format(folder, name) for name in (part, "training", "test"))
    return next(filter(None, named), FORMATS[0])


def _find_format(folder: Path, part: str) -> DatasetFormat | None:
    return next((known for known in FORMATS if known.has_part(folder, part)), None)


def load_split(
    data: DataFolders,
    split: Split,
    scheme: LandmarkScheme = IBUG68,
    colour: bool = False,
    held_out: Collection[str] = (),
) -> tuple[Faces, Faces]:
    """Reads (training faces, evaluation faces) of one or several data sets.

    `official`: the parts `training` and `test`; every person in the test rows of YouTube Faces is
    in its training rows too. `identity`: the part `training` alone, with each person, or each
    photo of 300-W, in one of the two. Images whose source is among `held_out` are not trained on.
    Raises DatasetError that lists every bad row.
    """
    splits = [_load_folder(folder, split, scheme, colour, held_out) for folder in folders_of(data)]
    training, evaluation = zip(*splits, strict=True)
    return Faces.joined(training), Faces.joined(evaluation)


def _load_folder(
    folder: Path, split: Split, scheme: LandmarkScheme, colour: bool, held_out: Collection[str]
) -> tuple[Faces, Faces]:
    known = _format_of(folder, "training")
    if split == "official":
        training, test = _read_both_parts(folder, scheme, colour)
        return training.only(lambda name: known.source(name) not in held_out), test

    def is_held_out(name: str) -> bool:
        return known.is_held_out(name) or known.source(name) in held_out

    faces = read_faces(folder, "training", scheme, colour)
    parts = faces.only(lambda name: not is_held_out(name)), faces.only(is_held_out)
    if not all(map(len, parts)):
        raise DatasetError(folder, ["too few people: the identity split leaves a part empty"])
    return parts


def load_evaluation(
    data: DataFolders,
    split: Split,
    scheme: LandmarkScheme = IBUG68,
    colour: bool = False,
    held_out: Collection[str] = (),
) -> Faces:
    """Reads the evaluation faces of a split, as `load_split` does."""
    if split == "official":
        return read_faces(data, evaluation_part(split), scheme, colour)
    return load_split(data, split, scheme, colour, held_out)[1]


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
