"""Filters: pictures that follow faces, drawn into frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.errors import FilterError
from fkd_infer.filters.blend import Paint
from fkd_infer.filters.pack import PACK_FILE, PACKS, FilterLayer, read_pack
from fkd_infer.filters.placement import Placer, placer
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import is_drawable
from fkd_infer.landmarks.head_model import HeadPose, fit_pose
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face

_BRIGHT = 165.0
"""Luma of what is bright about a face in daylight, where pictures keep their own brightness."""
_DARKEST, _BRIGHTEST = 0.4, 1.08
_SAMPLES = 48
"""Rows and columns of a face that its brightness is told from."""
_LIPS, _OPENS, _OPEN = (62, 66), 0.16, 0.2
"""Inner lips; how far apart, in units of the head, a mouth begins to be open, and is."""


@dataclass(frozen=True, eq=False)
class WarpedLayer:
    """A layer that is ready to be drawn; `place` draws it into a frame on a face's points."""

    layer: FilterLayer
    place: Placer


@dataclass(frozen=True, eq=False)
class Filter:
    """Pictures that follow faces of one landmark scheme, by name, in their order."""

    name: str
    title: str
    scheme: str
    layers: tuple[WarpedLayer, ...]

    def check_scheme(self, scheme: LandmarkScheme) -> None:
        """Raises FilterError where a network places other points than this is drawn for."""
        if scheme.name != self.scheme:
            raise FilterError(
                f"filter {self.name!r}",
                f"it is drawn for the landmark scheme {self.scheme!r}, but the model has "
                f"{scheme.name!r}",
                f"take a model of {self.scheme!r}, or leave the filter out",
            )

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws onto each face of a BGR image, in place; those farther away come first."""
        near = [face.points for face in faces if is_drawable(face.points)]
        posed = [(points, pose) for points in near if (pose := fit_pose(points))]
        posed.sort(key=lambda found: found[1].scale)
        gains = [brightness(canvas, points) for points, _ in posed]
        for (points, pose), gain in zip(posed, gains, strict=True):
            for piece in self.layers:
                strength = 1.0
                if piece.layer.when == "mouth_open":
                    strength = mouth_opening(points, pose)
                if strength > 0:
                    # What multiplies takes the face's own light already.
                    lit = piece.layer.brightness and piece.layer.blend != "multiply"
                    light = gain if lit else 1.0
                    piece.place(canvas, points, pose, Paint(piece.layer.blend, light, strength))


def builtin_filters() -> tuple[str, ...]:
    """Names of the filters that come with fkd."""
    return tuple(sorted(path.parent.name for path in PACKS.glob(f"*/{PACK_FILE}")))


def load_filter(name_or_path: str | Path) -> Filter:
    """A built-in filter by its name, or another by its folder or filter.json.

    Raises FilterError for an unknown name, and for a folder that holds no usable filter.
    """
    path = Path(name_or_path)
    if str(name_or_path) in builtin_filters():
        path = PACKS / str(name_or_path)
    elif path.name == PACK_FILE:
        path = path.parent
    if not path.is_dir():
        raise FilterError(
            f"filter {str(name_or_path)!r}",
            "neither a folder with a filter.json nor built in",
            f"there are: {', '.join(builtin_filters())}",
        )
    pack, pictures = read_pack(path)
    try:
        layers = [WarpedLayer(layer, placer(layer, image)) for layer, image in pictures]
    except ValueError as error:
        raise FilterError.of_pack(path / PACK_FILE, str(error)) from error
    return Filter(pack.name, pack.title, pack.scheme, _in_order(layers))


def load_filters(names: Sequence[str | Path], scheme: LandmarkScheme = IBUG68) -> Filter:
    """Several filters as one, their layers by z, for a network's landmark scheme.

    Raises FilterError, also for a filter that is drawn for other points.
    """
    filters = [load_filter(name) for name in names]
    for one in filters:
        one.check_scheme(scheme)
    return Filter(
        "+".join(one.name for one in filters),
        ", ".join(one.title for one in filters),
        scheme.name,
        _in_order([piece for one in filters for piece in one.layers]),
    )


def brightness(canvas: Pixels, points: Floats) -> float:
    """What a picture's colours are multiplied by to fit the light on a face, mildly.

    Told from the brightest tenth around the face, since skin is dark for reasons other than light.
    """
    height, width = canvas.shape[:2]
    low = np.clip(points.min(axis=0), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(points.max(axis=0), 0, (width - 1, height - 1)).astype(int) + 1
    step = np.maximum(1, (high - low) // _SAMPLES)
    seen = canvas[low[1] : high[1] : step[1], low[0] : high[0] : step[0]].astype(np.float32)
    luma = seen @ np.array([0.114, 0.587, 0.299], np.float32)
    bright = np.quantile(luma, 0.9)
    return float(np.clip((bright / _BRIGHT) ** 0.6, _DARKEST, _BRIGHTEST))


def mouth_opening(points: Floats, pose: HeadPose) -> float:
    """From 0, a closed mouth, to 1, an open one."""
    gap = np.linalg.norm(points[_LIPS[0]] - points[_LIPS[1]]) / pose.scale
    return float(np.clip((gap - _OPENS) / (_OPEN - _OPENS), 0, 1))


def _in_order(layers: Sequence[WarpedLayer]) -> tuple[WarpedLayer, ...]:
    return tuple(sorted(layers, key=lambda piece: piece.layer.z))
