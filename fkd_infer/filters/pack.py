"""A filter as a folder: filter.json, which places the pictures, and the pictures themselves.

Everything is checked when it is read, and no file outside the folder is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.errors import FilterError
from fkd_infer.filters.layer import Anchor, FilterLayer
from fkd_infer.filters.picture import read_picture
from fkd_infer.filters.warp_table import check_warp
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.system.files.reading import read_regular
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass, plain_problem

BUILTIN_PACKS = Path(__file__).with_name("packs")
"""The folder of the built-in packs."""
PACK_FILE = "filter.json"
VERSION = 1
MAX_JSON_BYTES = 1_000_000
"""Largest filter.json."""


@dataclass(frozen=True)
class Pack:
    """The contents of a filter.json."""

    version: int
    name: str
    title: str
    layers: tuple[FilterLayer, ...]
    scheme: str = "ibug68"

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, but this fkd reads {VERSION}")
        if not self.name.strip() or not self.title.strip():
            raise ValueError("name and title must be words, not empty")
        if self.scheme != IBUG68.name:
            raise ValueError(
                f"scheme is {self.scheme!r}; filters follow the points of {IBUG68.name}"
            )
        if not self.layers:
            raise ValueError("layers is empty; a filter draws one picture or more")
        for number, layer in enumerate(self.layers):
            self._check_layer(f"layers[{number}]", layer)

    def _check_layer(self, field: str, layer: FilterLayer) -> None:
        try:
            check_warp(layer)
        except ValueError as error:
            raise ValueError(f"{field}.{error}") from error
        for number, anchor in enumerate(layer.anchors):
            self._check_points(f"{field}.anchors[{number}]", anchor)

    def _check_points(self, field: str, anchor: Anchor) -> None:
        count = IBUG68.count
        for point in anchor.points:
            if not 0 <= point < count:
                raise ValueError(
                    f"{field}.points names point {point}, but {self.scheme} has 0 to {count - 1}"
                )


def read_pack(folder: Path) -> tuple[Pack, list[tuple[FilterLayer, Pixels]]]:
    """Reads a folder's filter.json, and each layer with its picture, BGRA (H, W, 4).

    A layer that is mirrored appears twice, the second time with its mirror image. Raises
    FilterError that names the file and the field.
    """
    path = folder / PACK_FILE
    table = _read_json(path)
    if problem := plain_problem(table, "filter"):
        raise FilterError.of_pack(path, problem)
    try:
        pack = parse_dataclass(Pack, table, "filter")
    except MismatchError as error:
        raise FilterError.of_pack(path, str(error)) from error
    layers = [
        (layer, read_picture(path, f"layers[{number}].image", layer.image))
        for number, layer in enumerate(pack.layers)
    ]
    mirrored = [
        (layer.mirror(image.shape[1], IBUG68), np.ascontiguousarray(image[:, ::-1]))
        for layer, image in layers
        if layer.mirrored
    ]
    return pack, layers + mirrored


def _read_json(path: Path) -> object:
    """Reads plain data from a JSON file; raises FilterError."""
    try:
        return json.loads(read_regular(path, MAX_JSON_BYTES).decode("utf-8"))
    except OSError as error:
        raise FilterError.of_pack(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FilterError.of_pack(path, f"not UTF-8: {error.reason}") from error
    except ValueError as error:  # JSONDecodeError, or numbers of thousands of digits
        raise FilterError.of_pack(path, f"not JSON: {error}") from error
    except RecursionError as error:
        raise FilterError.of_pack(path, "it is nested too deeply") from error
