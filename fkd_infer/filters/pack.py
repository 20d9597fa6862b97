"""A filter as a folder: filter.json, which says what lies where, and its pictures.

Everything is checked when it is read, and nothing outside of the folder is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.choices import Blend, FilterWhen, Warp
from fkd_infer.errors import FilterError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import SCHEMES, LandmarkScheme
from fkd_infer.media.images.header import PNG, image_problem, image_size
from fkd_infer.system.files.reading import read_regular
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass, plain_problem

PACKS = Path(__file__).with_name("packs")
"""The folder of the built-in packs."""
PACK_FILE = "filter.json"
VERSION = 1
LARGEST_FILE = 8_000_000
"""Bytes of a picture."""
LARGEST_TABLE = 1_000_000
"""Bytes of a filter.json."""
LARGEST_SIDE = 4096
"""Pixels of a picture's side."""
LARGEST_TABLE = 1_000_000
"""Bytes of a filter.json."""
_FAR = 1e5
"""Pixels between an anchor and its picture, at most."""
_LARGEST, _SMALLEST = 1000, 0.001
"""Of what is in units of the head; and of a scale, at least."""
_FEWEST: dict[Warp, int] = {"head": 2, "similarity": 2, "affine": 3, "piecewise": 3}


@dataclass(frozen=True)
class Anchor:
    """The mean of these points of a face lies at this pixel (x, y) of the picture.

    The pixel may lie outside of the picture: so a hat hangs on the eyes.
    """

    points: tuple[int, ...]
    at: tuple[float, float]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("points is empty; name one point or more")
        if max(map(abs, self.at)) > _FAR:
            raise ValueError(f"at is {list(self.at)}; give two numbers from -{_FAR:g} to {_FAR:g}")


@dataclass(frozen=True)
class FilterLayer:
    """One picture of a filter, and how it follows the face; docs/filters.md tells of each field."""

    image: str
    anchors: tuple[Anchor, ...]
    warp: Warp = "head"
    z: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    depth: float = 0.0
    turn: float = 0.0
    round: bool = False
    mirrored: bool = False
    blend: Blend = "normal"
    opacity: float = 1.0
    brightness: bool = True
    when: FilterWhen = "always"

    def __post_init__(self) -> None:
        lengths = {"offset[0]": self.offset[0], "offset[1]": self.offset[1], "depth": self.depth}
        for name, value in lengths.items():
            if abs(value) > _LARGEST:
                raise ValueError(f"{name} is {value}; give a number from -{_LARGEST} to {_LARGEST}")
        if not _SMALLEST <= self.scale <= _LARGEST:
            raise ValueError(f"scale is {self.scale}; give a number above 0, {_LARGEST} at most")
        if not 0 < self.opacity <= 1:
            raise ValueError(f"opacity is {self.opacity}; give a number above 0, and 1 at most")
        if self.warp != "head" and (self.depth or self.turn or self.round):
            raise ValueError(f"depth, turn and round are for the warp 'head', not {self.warp!r}")
        if len(self.anchors) < _FEWEST[self.warp]:
            raise ValueError(
                f"anchors has {len(self.anchors)}, but the warp {self.warp!r} needs "
                f"{_FEWEST[self.warp]} or more"
            )
        self._check_places()

    def _check_places(self) -> None:
        """Enough of the anchors' pixels differ, and where it matters, are not on one line."""
        at = np.array([anchor.at for anchor in self.anchors])
        rank = np.linalg.matrix_rank(at - at.mean(axis=0), tol=0.5)
        if rank < min(2, _FEWEST[self.warp] - 1):
            where = "in one place" if rank == 0 else "on one line"
            raise ValueError(f"anchors lie {where} of the picture, which does not place it")
        if self.warp == "piecewise" and len(np.unique(at, axis=0)) < len(at):
            raise ValueError("two anchors have the same at; a piecewise warp needs them apart")


@dataclass(frozen=True)
class Pack:
    """What a filter.json says."""

    version: int
    name: str
    title: str
    layers: tuple[FilterLayer, ...]
    scheme: str = "ibug68"

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, but this fkd reads {VERSION}")
        if not self.name.strip() or not self.title.strip():
            raise ValueError("name and title are words, not empty")
        if self.scheme not in SCHEMES:
            raise ValueError(f"scheme is {self.scheme!r}; there are: {', '.join(SCHEMES)}")
        if not self.layers:
            raise ValueError("layers is empty; a filter draws one picture or more")
        for number, layer in enumerate(self.layers):
            for place, anchor in enumerate(layer.anchors):
                self._check_points(f"layers[{number}].anchors[{place}]", anchor)

    def _check_points(self, where: str, anchor: Anchor) -> None:
        count = SCHEMES[self.scheme].count
        for point in anchor.points:
            if not 0 <= point < count:
                raise ValueError(
                    f"{where}.points names point {point}, but {self.scheme} has 0 to {count - 1}"
                )


def read_pack(folder: Path) -> tuple[Pack, list[tuple[FilterLayer, Pixels]]]:
    """A folder's filter.json, and each layer with its picture BGRA (H, W, 4), mirror images too.

    Raises FilterError for anything that does not fit, naming file and field.
    """
    path = folder / PACK_FILE
    table = _read_table(path)
    if problem := plain_problem(table, "filter"):
        raise FilterError.of_pack(path, problem)
    try:
        pack = parse_dataclass(Pack, table, "filter")
    except MismatchError as error:
        raise FilterError.of_pack(path, str(error)) from error
    layers = [
        (layer, _read_picture(path, number, layer)) for number, layer in enumerate(pack.layers)
    ]
    scheme = SCHEMES[pack.scheme]
    mirrored = [_mirrored(*pair, scheme) for pair in layers if pair[0].mirrored]
    return pack, layers + mirrored


def _read_table(path: Path) -> object:
    """Plain data of a JSON file."""
    try:
        return json.loads(read_regular(path, LARGEST_TABLE).decode("utf-8"))
    except OSError as error:
        raise FilterError.of_pack(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FilterError.of_pack(path, f"not UTF-8: {error.reason}") from error
    except ValueError as error:  # JSONDecodeError, or numbers of thousands of digits
        raise FilterError.of_pack(path, f"not JSON: {error}") from error
    except RecursionError as error:
        raise FilterError.of_pack(path, "it is nested too deeply") from error


def _read_picture(path: Path, number: int, layer: FilterLayer) -> Pixels:
    """A layer's picture; its file lies in the pack's folder or below."""
    field = f"layers[{number}].image {layer.image!r}"
    folder = path.parent.resolve()
    try:
        file = (folder / layer.image).resolve()
        if not file.is_relative_to(folder):
            why = f"{field} leaves the filter's folder"
            raise FilterError.of_pack(path, why, "put the picture into it")
        data = read_regular(file, LARGEST_FILE)
    except OSError as error:
        raise FilterError.of_pack(path, f"{field}: {error.strerror or error}") from error
    except RuntimeError as error:
        raise FilterError.of_pack(path, f"{field}: links lead in circles") from error
    _check_png(path, field, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FilterError.of_pack(path, f"{field} is a damaged PNG: {error.err}") from error
    if image is None:
        raise FilterError.of_pack(path, f"{field} is a damaged PNG")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
        raise FilterError.of_pack(path, f"{field} has no alpha", "save it as an 8 bit RGBA PNG")
    return np.asarray(image, np.uint8)


def _check_png(path: Path, field: str, data: bytes) -> None:
    """Refuses what is no PNG, cut short, or so large that it must not be decoded."""
    if not data.startswith(PNG):
        raise FilterError.of_pack(path, f"{field} is no PNG", "save it as an 8 bit RGBA PNG")
    if image_problem(data) is not None:
        raise FilterError.of_pack(path, f"{field} is cut short", "copy it again")
    size = image_size(data)
    if size is None:
        raise FilterError.of_pack(path, f"{field} is a damaged PNG")
    if max(size) > LARGEST_SIDE:
        measured = f"{size.width} × {size.height}"
        raise FilterError.of_pack(
            path, f"{field} measures {measured}", f"make it {LARGEST_SIDE} a side at most"
        )


def _mirrored(
    layer: FilterLayer, image: Pixels, scheme: LandmarkScheme
) -> tuple[FilterLayer, Pixels]:
    """The layer for the other side of the face."""
    last = image.shape[1] - 1
    other = scheme.flip_permutation
    anchors = tuple(
        Anchor(tuple(int(other[p]) for p in anchor.points), (last - anchor.at[0], anchor.at[1]))
        for anchor in layer.anchors
    )
    flipped = replace(
        layer, anchors=anchors, offset=(-layer.offset[0], layer.offset[1]), turn=-layer.turn
    )
    return flipped, np.ascontiguousarray(image[:, ::-1])
