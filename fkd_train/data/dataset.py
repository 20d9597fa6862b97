"""Reads data sets in any of the known formats, and splits them into training and evaluation faces.

To add a format: write a module in `formats`, with a function that recognises the format and one
that reads it, and add a row to `FORMATS` and a name to `DataFormat` in `fkd_train/choices.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_train.choices import DataFormat, Split
from fkd_train.data.faces import Faces
from fkd_train.data.formats.coco_keypoints import has_coco, read_coco
from fkd_train.data.formats.ibug_pts import has_pts, read_pts, source_photo
from fkd_train.data.formats.keypoint_csv import has_keypoint_csv, person, read_keypoint_csv
from fkd_train.data.formats.numpy_arrays import has_npz, read_npz
from fkd_train.data.formats.wflw import has_wflw, read_wflw
from fkd_train.errors import DatasetError

if TYPE_CHECKING:
    from fkd_train.config.sections import DataConfig

DataFolders = Path | Sequence[Path]
"""The folder or file of a data set, or those of several that are used together. A format may be
stated in front, as in `300w:folder`; otherwise it is recognised by its files."""
FOLDS = 10
"""The split `folds` holds out one source in so many."""
Given = TypeVar("Given")
Read = TypeVar("Read")


class DatasetFormat(NamedTuple):
    """`has_part(given, part)` recognises the format by its files, in a folder or given as one;
    `read(given, part, scheme, colour)` reads one part, with gray images unless `colour`.
    `source(name)` is what images must share to be on the same side of a split: a person or a photo;
    the identity split holds out one of `folds` sources. `suffix` is that of the format's file."""

    has_part: Callable[[Path, str], bool]
    read: Callable[[Path, str, LandmarkScheme, bool], Faces]
    source: Callable[[str], str]
    folds: int
    suffix: str | None = None


FORMATS: dict[DataFormat, DatasetFormat] = {
    "csv": DatasetFormat(has_keypoint_csv, read_keypoint_csv, person, folds=5),
    "300w": DatasetFormat(has_pts, read_pts, source_photo, folds=FOLDS),
    "wflw": DatasetFormat(has_wflw, read_wflw, str, folds=FOLDS),
    "coco": DatasetFormat(has_coco, read_coco, str, folds=FOLDS, suffix=".json"),
    "npz": DatasetFormat(has_npz, read_npz, str, folds=FOLDS, suffix=".npz"),
}
"""Known formats. A folder that matches none is reported by the first, and a file by that of its
suffix. Faces of wflw, coco and npz have the name of their photo or person."""


@dataclass(frozen=True)
class DataSet:
    """The folder of a data set, the name of its format, and what the recipe says about it."""

    folder: Path
    format: DataFormat
    config: DataConfig | None = None

    @property
    def name(self) -> str:
        """Its name in results: that of the recipe, or its format."""
        return self.format if self.config is None else self.config.name

    @property
    def held_out(self) -> frozenset[str]:
        """The sources that the recipe holds out in any split."""
        return frozenset() if self.config is None else frozenset(self.config.held_out)

    def read(self, part: str, scheme: LandmarkScheme, colour: bool) -> Faces:
        """Reads the faces of a part; raises DatasetError that lists every bad row."""
        faces = FORMATS[self.format].read(self.folder, part, scheme, colour)
        return faces.of_set(self.name)

    def is_held_out(self, name: str, split: Split) -> bool:
        """Whether a split of the training part holds out an image, by its name."""
        known = FORMATS[self.format]
        source = known.source(name)
        if source in self.held_out:
            return True
        digest = hashlib.md5(source.encode(), usedforsecurity=False).hexdigest()
        folds = {"identity": known.folds, "folds": FOLDS}.get(split)
        return folds is not None and int(digest, 16) % folds == 0

    def load(self, split: Split, scheme: LandmarkScheme, colour: bool) -> tuple[Faces, Faces]:
        """Reads (training faces, evaluation faces)."""
        split = self.own_split(split)
        if split == "official":
            parts = ["training", "test"]
            missing = [p for p in parts if not FORMATS[self.format].has_part(self.folder, p)]
            if missing:
                self.read(missing[0], scheme, colour)
            training, evaluation = _all_read(lambda part: self.read(part, scheme, colour), parts)
            return training.only(lambda name: not self.is_held_out(name, split)), evaluation
        faces = self.read("training", scheme, colour)
        training = faces.only(lambda name: not self.is_held_out(name, split))
        if split == "none":
            return training, faces.rows([])
        evaluation = faces.only(lambda name: self.is_held_out(name, split))
        if not len(training) or not len(evaluation):
            raise DatasetError(
                self.folder, [f"too few people: the split {split} leaves a part empty"]
            )
        return training, evaluation

    def own_split(self, default: Split) -> Split:
        """Its own split, if the recipe states one, or else the default."""
        return default if self.config is None else self.config.split or default


def read_faces(
    data: DataFolders, part: str, scheme: LandmarkScheme = IBUG68, colour: bool = False
) -> Faces:
    """Reads the faces of one part of each data set; raises DatasetError that lists every bad
    row."""
    sets = find_sets(data, part=part)
    return Faces.joined(_all_read(lambda known: known.read(part, scheme, colour), sets))


def load_split(
    data: DataFolders,
    split: Split,
    scheme: LandmarkScheme = IBUG68,
    colour: bool = False,
    configs: Sequence[DataConfig] = (),
) -> tuple[Faces, Faces]:
    """Reads (training faces, evaluation faces) of one or several data sets.

    - `official`: the parts `training` and `test`; every person in the test rows of YouTube Faces
      is in its training rows too.
    - `identity`: the part `training` alone, with each person, or each photo of 300-W, in one of the
      two.
    - `folds`: the same, with one person or photo in ten held out.
    - `none`: the part `training`, and no evaluation faces.

    `configs` are the data sets of a recipe, with names, splits of their own, and sources that are
    not trained on. Raises DatasetError that lists every bad row.
    """
    sets = find_sets(data, configs)
    parts = _all_read(lambda known: known.load(split, scheme, colour), sets)
    training, evaluation = zip(*parts, strict=True)
    return Faces.joined(training), Faces.joined(evaluation)


def load_evaluation(
    data: DataFolders,
    split: Split,
    scheme: LandmarkScheme = IBUG68,
    colour: bool = False,
    configs: Sequence[DataConfig] = (),
) -> Faces:
    """Reads the evaluation faces of a split, as `load_split` does; also of data sets that a recipe
    does not have."""

    def read(known: DataSet) -> Faces:
        if known.own_split(split) == "official":
            return known.read("test", scheme, colour)
        return known.load(split, scheme, colour)[1]

    sets = find_sets(data, configs, evaluation_part(split), only_known=False)
    return Faces.joined(_all_read(read, sets))


def evaluation_part(split: Split) -> str:
    """The part of a data set that holds a split's evaluation faces."""
    return "test" if split == "official" else "training"


def find_sets(
    data: DataFolders,
    configs: Sequence[DataConfig] = (),
    part: str = "training",
    only_known: bool = True,
) -> list[DataSet]:
    """The data set in each folder, with the first of `configs` of its format that is still free.

    A config without a format is for folders of any format. With `only_known`, raises DatasetError
    for a folder that no config is left for.
    """
    free = list(configs)
    sets = []
    for given in folders_of(data):
        folder, name = _format_of(given, part)
        config = next((row for row in free if row.format in (name, None)), None)
        if configs and config is None and only_known:
            known = ", ".join(f"{row.name} ({row.format})" for row in configs)
            problem = f"its format is {name}, and the recipe has no data set left for it: {known}"
            raise DatasetError(folder, [problem], "add a [[data]] row to the recipe")
        if config is not None and config.format is not None:
            free.remove(config)
        sets.append(DataSet(folder, name, config))
    return sets


def folders_of(data: DataFolders) -> Sequence[Path]:
    """The folder or folders, as a sequence."""
    return [data] if isinstance(data, Path) else data


def folder_of(given: Path) -> Path:
    """The folder itself, without the format that may be stated before it."""
    return _stated_format(given)[0]


def absolute_folder(given: Path) -> Path:
    """The same folder as an absolute path, behind its format if one is stated."""
    folder, stated = _stated_format(given)
    absolute = folder.absolute()
    return absolute if stated is None else Path(f"{stated}:{absolute}")


def _format_of(given: Path, part: str) -> tuple[Path, DataFormat]:
    """The folder, and the name of the format that is stated before it or that it has in this part
    or, to report that the part is missing, in another one."""
    folder, stated = _stated_format(given)
    if stated is not None:
        return folder, stated
    parts = (part, "training", "test")
    found = (name for p in parts for name, known in FORMATS.items() if known.has_part(given, p))
    named = (name for name, known in FORMATS.items() if given.suffix == known.suffix)
    return given, next(chain(found, named, FORMATS))


def _stated_format(given: Path) -> tuple[Path, DataFormat | None]:
    """The folder, and the format that is stated before it, if one is."""
    for stated in FORMATS:
        if str(given).startswith(f"{stated}:"):
            return Path(str(given).removeprefix(f"{stated}:")), stated
    return given, None


def _all_read(read: Callable[[Given], Read], things: Iterable[Given]) -> list[Read]:
    """Reads each thing; raises one DatasetError with the problems of all."""
    results, errors = [], []
    for thing in things:
        try:
            results.append(read(thing))
        except DatasetError as error:
            errors.append(error)
    if len(errors) > 1:
        raise DatasetError("the data", [str(error) for error in errors])
    if errors:
        raise errors[0]
    return results
