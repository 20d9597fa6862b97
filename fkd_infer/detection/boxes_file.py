"""Reads the file of --boxes: boxes of faces from another program."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.errors import BoxesFileError, FkdError, SettingsError
from fkd_infer.geometry.boxes import as_boxes
from fkd_infer.types import Detections, Frame

COLUMNS = ("source", "frame", "x0", "y0", "x1", "y1")
Key = tuple[str, int]


@dataclass(frozen=True)
class BoxesFile:
    """Boxes by source and frame.

    The file is a CSV with the header source,frame,x0,y0,x1,y1 and a line per face. A source is a
    path as on the command line, or a file name; frames count from 0; boxes are in frame pixels.
    """

    boxes: dict[Key, list[list[float]]]

    @classmethod
    def read(cls, path: Path) -> BoxesFile:
        """Reads and checks a file; raises BoxesFileError with the number of the invalid line."""
        boxes: dict[Key, list[list[float]]] = defaultdict(list)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                header = tuple(reader.fieldnames or ())
                if header != COLUMNS:
                    expected = ",".join(COLUMNS)
                    raise BoxesFileError(path, 1, f"the header is {header}, not {expected}")
                for row in reader:
                    key, box = _parse(path, reader.line_num, row)
                    boxes[key].append(box)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BoxesFileError(path, 1, f"cannot be read: {error}") from error
        return cls(dict(boxes))

    def check_sources(self, path: Path, sources: Iterable[str]) -> None:
        """Raises SettingsError if the file, read from `path`, has boxes, but none for a source."""
        known = {source for source, _ in self.boxes}
        if known and known.isdisjoint(name for source in sources for name in _names(source)):
            fix = "its first column is a path as on the command line, or a file name"
            raise SettingsError(path, "has no boxes for any of the sources", fix)

    def find(self, frame: Frame) -> Detections:
        """The boxes of a frame, in the file's order; empty if the file has none."""
        keys = ((name, frame.index) for name in _names(frame.source))
        boxes = next((self.boxes[key] for key in keys if key in self.boxes), [])
        return Detections(as_boxes(boxes), np.ones(len(boxes), np.float32))


def _names(source: str) -> tuple[str, str]:
    """The names that a source may have in the file."""
    return source, Path(source).name


def _parse(path: Path, line: int, row: dict[str, str | None]) -> tuple[Key, list[float]]:
    try:
        box = [float(row[column] or "") for column in COLUMNS[2:]]
        key = str(Path(row["source"] or "")), int(row["frame"] or "")
        as_boxes([box])
    except FkdError as error:
        raise BoxesFileError(path, line, error.without_fix, error.fix) from error
    except ValueError as error:
        raise BoxesFileError(path, line, f"not a number: {error}") from error
    return key, box
