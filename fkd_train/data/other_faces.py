"""Boxes of faces that a data set shows without annotating their points."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import as_boxes
from fkd_train.errors import DatasetError, RecipeError


def read_other_faces(names: Sequence[str], part: str) -> dict[str, Floats]:
    """Reads boxes (k, 4) by image name, for one part of the data sets.

    Each of `names` is a path or a file beside the shipped recipes. Raises RecipeError for a missing
    file and DatasetError for a bad row.
    """
    boxes: dict[str, Floats] = {}
    for name in names:
        boxes |= _read_table(name, part)
    return boxes


def _read_table(name: str, part: str) -> dict[str, Floats]:
    boxes: dict[str, list[list[float]]] = {}
    for line, row in enumerate(csv.DictReader(_read_text(name).splitlines()), start=2):
        try:
            box = [float(row[key]) for key in ("x0", "y0", "x1", "y1")]
            as_boxes([box])
            if row["part"] == part:
                boxes.setdefault(row["name"], []).append(box)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"line {line}: not part,name,x0,y0,x1,y1 with numbers"
            raise DatasetError(name, [problem]) from error
    return {image: np.array(rows, np.float32) for image, rows in boxes.items()}


def _read_text(name: str) -> str:
    path = Path(name)
    shipped = files("fkd_train") / "recipes" / name
    try:
        return path.read_text("utf-8") if path.is_file() else shipped.read_text("utf-8")
    except OSError as error:
        problem = "others: no such file, neither at this path nor among the shipped recipes"
        raise RecipeError(name, problem) from error
    except UnicodeDecodeError as error:
        raise DatasetError(name, ["not a CSV table in UTF-8"]) from error
