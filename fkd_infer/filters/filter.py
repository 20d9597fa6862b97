"""Filters: pictures that follow faces, drawn into frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.image_canvas import as_canvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.errors import FilterError
from fkd_infer.filters.layer import FilterLayer
from fkd_infer.filters.pack import BUILTIN_PACKS, PACK_FILE, read_pack
from fkd_infer.filters.warp import Warp
from fkd_infer.filters.warp_table import create_warp
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import is_drawable
from fkd_infer.landmarks.head_model import HeadPose, fit_pose
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face

_DAYLIGHT_LUMA = 165.0
"""Luma of a face's bright parts in daylight, for which pictures are drawn."""
_MIN_GAIN, _MAX_GAIN = 0.4, 1.08
_SAMPLES = 48
"""Rows and columns of a face that are sampled for its brightness."""
_INNER_LIPS = (62, 66)
_OPENS_AT, _OPEN_AT = 0.16, 0.2
"""Distance of the inner lips, in units of the head, at which a mouth opens and is open."""


@dataclass(frozen=True, eq=False)
class WarpedLayer:
    """A layer that is ready to be drawn."""

    layer: FilterLayer
    warp: Warp

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, gain: float) -> None:
        """Draws the layer on one face; `gain` matches its colours to the light on the face."""
        layer, strength = self.layer, 1.0
        if layer.when == "mouth_open":
            strength = mouth_openness(points, pose)
        if strength > 0:
            # A multiplied picture is lit by the face's own light.
            is_lit = layer.brightness and layer.blend != "multiply"
            paint = Paint(layer.blend, gain if is_lit else 1.0, strength)
            self.warp.draw(canvas, points, pose, paint)


@dataclass(frozen=True, eq=False)
class Filter:
    """Layers that follow faces of one landmark scheme, in the order in which they are drawn."""

    name: str
    title: str
    scheme: str
    layers: tuple[WarpedLayer, ...]

    def check_scheme(self, scheme: LandmarkScheme) -> None:
        """Raises FilterError for a network whose landmark scheme the filter is not made for."""
        if scheme.name != self.scheme:
            raise FilterError(
                f"filter {self.name!r}",
                f"it needs the landmark scheme {self.scheme!r}, but the model has {scheme.name!r}",
                f"choose a model with {self.scheme!r}, or leave the filter out",
            )

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        """Draws onto each face of a BGR image or a canvas in place, the farthest face first."""
        canvas = as_canvas(image)
        near = [face.points for face in faces if is_drawable(face.points)]
        posed = [(points, pose) for points in near if (pose := fit_pose(points))]
        posed.sort(key=lambda pair: pair[1].scale)
        gains = [brightness_gain(canvas, points) for points, _ in posed]
        for (points, pose), gain in zip(posed, gains, strict=True):
            for layer in self.layers:
                layer.draw(canvas, points, pose, gain)


def builtin_filters() -> tuple[str, ...]:
    """The names of the built-in filters."""
    return tuple(sorted(path.parent.name for path in BUILTIN_PACKS.glob(f"*/{PACK_FILE}")))


def load_filter(name_or_path: str | Path) -> Filter:
    """Loads a built-in filter by its name, or another by its folder or filter.json.

    Raises FilterError for an unknown name, and for a folder without a usable filter.
    """
    path = Path(name_or_path)
    if str(name_or_path) in builtin_filters():
        path = BUILTIN_PACKS / str(name_or_path)
    elif path.name == PACK_FILE:
        path = path.parent
    if not path.is_dir():
        raise FilterError(
            f"filter {str(name_or_path)!r}",
            "neither built in nor a folder with a filter.json",
            f"built in are: {', '.join(builtin_filters())}",
        )
    pack, pictures = read_pack(path)
    try:
        layers = [WarpedLayer(layer, create_warp(layer, image)) for layer, image in pictures]
    except ValueError as error:
        raise FilterError.of_pack(path / PACK_FILE, str(error)) from error
    return Filter(pack.name, pack.title, pack.scheme, _by_z(layers))


def load_filters(
    names: str | Path | Sequence[str | Path], scheme: LandmarkScheme = IBUG68
) -> Filter:
    """Loads one filter, or several as one, their layers ordered by z.

    `names` are those of built-in filters, or folders of packs. The filter draws onto BGR images
    (H, W, 3) in place, and onto the canvas of a frame: `filters.draw(image, faces)`. `scheme` is
    that of the network (`pipeline.card.landmarks`).

    Raises FilterError, also for a filter that is made for another landmark scheme.

    Examples:
        >>> import fkd_infer
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> before = image.copy()
        >>> filters = fkd_infer.load_filters(["cat", "sunglasses"])
        >>> filters.draw(image, fkd_infer.load()(image))
        >>> bool((image != before).any())
        True
    """
    names = [names] if isinstance(names, str | Path) else names
    filters = [load_filter(name) for name in names]
    for loaded in filters:
        loaded.check_scheme(scheme)
    return Filter(
        "+".join(loaded.name for loaded in filters),
        ", ".join(loaded.title for loaded in filters),
        scheme.name,
        _by_z([layer for loaded in filters for layer in loaded.layers]),
    )


def brightness_gain(canvas: Canvas, points: Floats) -> float:
    """The factor that mildly matches a picture's colours to the light on a face.

    Measured on the brightest tenth around the face, since skin is dark for other reasons too.
    """
    limits = canvas.width - 1, canvas.height - 1
    x0, y0 = np.clip(points.min(axis=0), 0, limits).astype(int).tolist()
    x1, y1 = np.clip(points.max(axis=0), 0, limits).astype(int).tolist()
    luma = canvas.brightness((x0, y0, x1 + 1, y1 + 1), _SAMPLES)
    bright = np.quantile(luma, 0.9)
    return float(np.clip((bright / _DAYLIGHT_LUMA) ** 0.6, _MIN_GAIN, _MAX_GAIN))


def mouth_openness(points: Floats, pose: HeadPose) -> float:
    """How far a mouth is open, from 0 to 1."""
    upper, lower = points[_INNER_LIPS[0]], points[_INNER_LIPS[1]]
    gap = np.linalg.norm(upper - lower) / pose.scale
    return float(np.clip((gap - _OPENS_AT) / (_OPEN_AT - _OPENS_AT), 0, 1))


def _by_z(layers: Sequence[WarpedLayer]) -> tuple[WarpedLayer, ...]:
    return tuple(sorted(layers, key=lambda layer: layer.layer.z))
