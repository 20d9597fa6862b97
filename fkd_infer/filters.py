"""Filters: pictures that follow faces, drawn into frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.compose import Mesh, Paint, Texture, draw_affine, draw_mesh
from fkd_infer.crop import Floats, Matrix, Pixels, within_reach
from fkd_infer.errors import FilterError
from fkd_infer.filterpack import PACK_FILE, Layer, read_pack
from fkd_infer.headpose import PACKS, HeadPose, fit_pose, mean_head
from fkd_infer.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face

_BRIGHT = 165.0
"""Luma of what is bright about a face in daylight, where pictures keep their own brightness."""
_DARKEST, _BRIGHTEST = 0.4, 1.08
_SAMPLES = 48
"""Rows and columns of a face that its brightness is told from."""
_APART, _LIKE = 0.02, 0.05
"""Units of the head that anchors are apart, at least; and so much of it is left where their pixels
are laid over the head."""
_LIPS, _OPENS, _OPEN = (62, 66), 0.16, 0.2
"""Inner lips; how far apart, in units of the head, a mouth begins to be open, and is."""

Placer = Callable[[Pixels, Floats, HeadPose, Paint], None]


@dataclass(frozen=True, eq=False)
class Piece:
    """A layer that is ready to be drawn; `place` draws it into a frame on a face's points."""

    layer: Layer
    place: Placer


@dataclass(frozen=True, eq=False)
class Filter:
    """Pictures that follow faces of one landmark scheme, by name, in their order."""

    name: str
    title: str
    scheme: str
    pieces: tuple[Piece, ...]

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
        near = [face.points for face in faces if within_reach(face.points)]
        posed = [(points, pose) for points in near if (pose := fit_pose(points))]
        posed.sort(key=lambda found: found[1].scale)
        gains = [brightness(canvas, points) for points, _ in posed]
        for (points, pose), gain in zip(posed, gains, strict=True):
            for piece in self.pieces:
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
    pack, layers = read_pack(path)
    try:
        pieces = [Piece(layer, _placer(layer, image)) for layer, image in layers]
    except ValueError as error:
        raise FilterError.of_pack(path / PACK_FILE, str(error)) from error
    return Filter(pack.name, pack.title, pack.scheme, _in_order(pieces))


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
        _in_order([piece for one in filters for piece in one.pieces]),
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


def _in_order(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    return tuple(sorted(pieces, key=lambda piece: piece.layer.z))


def _placer(layer: Layer, image: Pixels) -> Placer:
    """How a layer of this warp is drawn."""
    texture = Texture(image, layer.opacity)
    select = _selection(layer)
    at = _moved(layer, select)
    if layer.warp == "head":
        card = _Card.of(layer, select, at, image.shape[1])
        return lambda canvas, points, pose, paint: draw_affine(
            canvas, texture, card.matrix(points, pose), paint
        )
    if layer.warp == "piecewise":
        mesh = Mesh.over(image, at)
        return lambda canvas, points, _, paint: draw_mesh(
            canvas, texture, mesh, select @ points, paint
        )
    fit = fit_similarity if layer.warp == "similarity" else fit_affine
    return lambda canvas, points, _, paint: draw_affine(
        canvas, texture, fit(at, select @ points), paint
    )


@dataclass(frozen=True, eq=False)
class _Card:
    """A flat picture that is fixed to the head.

    `top` (3,) is where its pixel (middle, 0) lies on the head, `across` and `down` (3,) lead to the
    next pixels. What the face's own anchors differ by from the mean head's moves it.
    """

    top: Matrix
    middle: float
    across: Matrix
    down: Matrix
    select: Matrix
    anchors: Matrix
    round: bool

    @staticmethod
    def of(layer: Layer, select: Matrix, at: Matrix, width: int) -> _Card:
        """The card whose pixels `at` (k, 2) lie nearest to the mean head's anchors."""
        angle = np.radians(layer.turn)
        x, y = np.array([np.cos(angle), 0, np.sin(angle)]), np.array([0.0, 1.0, 0.0])
        out = np.array([-np.sin(angle), 0, np.cos(angle)])
        anchors = select @ mean_head()
        plane = fit_similarity(at, np.column_stack([anchors @ x, anchors @ y]))
        away = float((anchors @ out).mean()) + layer.depth
        across, down, corner = (plane.T[:, :1] * x + plane.T[:, 1:] * y)[:3]
        middle = (width - 1) / 2
        top = corner + middle * across + away * out
        return _Card(top, middle, across, down, select, anchors, layer.round)

    def matrix(self, points: Floats, pose: HeadPose) -> Matrix:
        """From the picture's pixels to the frame's; NaN where it is seen from behind."""
        across, down = pose.turn @ self.across, pose.turn @ self.down
        if self.round:
            across = np.array([down[1], -down[0]]) / max(1e-9, float(np.linalg.norm(down)))
            across *= pose.scale * np.linalg.norm(self.across)
        if across[0] * down[1] - across[1] * down[0] <= 0:
            return np.full((2, 3), np.nan)
        differs = (self.select @ points - pose.project(self.anchors)).mean(axis=0)
        corner = pose.project(self.top) - self.middle * across + differs
        return np.column_stack([across, down, corner])


def _selection(layer: Layer) -> Matrix:
    """The matrix (anchors, points) that means the points of each anchor."""
    matrix = np.zeros((len(layer.anchors), len(mean_head())))
    for row, anchor in zip(matrix, layer.anchors, strict=True):
        for point in anchor.points:
            row[point] += 1 / len(anchor.points)
    return matrix


def _moved(layer: Layer, select: Matrix) -> Matrix:
    """The anchors' pixels (k, 2), such that the picture has the layer's offset and scale.

    Raises ValueError for anchors that lie nowhere near like their points on a head.
    """
    at = np.array([anchor.at for anchor in layer.anchors], np.float64)
    middle = at.mean(axis=0)
    at = middle + (at - middle) / layer.scale
    places = (select @ mean_head())[:, :2]
    to_head = fit_similarity(at, places)
    fitted, wanted = np.ptp(at @ to_head[:, :2].T, axis=0).max(), np.ptp(places, axis=0).max()
    if wanted < _APART or fitted < _LIKE * wanted:
        raise ValueError(
            f"the anchors of {layer.image!r} lie in one place of a face, or so unlike their points "
            "there that they do not place the picture"
        )
    moved: Matrix = at - np.linalg.solve(to_head[:, :2], np.array(layer.offset))
    return moved


def fit_similarity(at: Matrix, points: Matrix | Floats) -> Matrix:
    """The turn, scale and shift (2, 3) that lead pixels (k, 2) nearest to points (k, 2)."""
    source = at[:, 0] + 1j * at[:, 1]
    target = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    source_mean, target_mean = source.mean(), target.mean()
    around = source - source_mean
    turn = np.vdot(around, target - target_mean) / np.vdot(around, around).real
    shift = target_mean - turn * source_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def fit_affine(at: Matrix, points: Matrix | Floats) -> Matrix:
    """The affine matrix (2, 3) that leads pixels (k, 2) nearest to points (k, 2)."""
    homogeneous = np.column_stack([at, np.ones(len(at))])
    found: Matrix = np.linalg.lstsq(homogeneous, points.astype(np.float64), rcond=None)[0].T
    return found
