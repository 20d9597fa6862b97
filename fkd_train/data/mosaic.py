"""Pictures for a face detector, put together from images of one annotated face each.

A mosaic is a square, cut at random into tiles. Each shows an annotated face, small or large,
upright or tilted, whole or cut by the tile's edge, in its own surroundings; or something that is
no face. Every random choice comes from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image, gray_plane
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.transforms import similarity, transform
from fkd_train.config.detector import MosaicConfig
from fkd_train.data.augment import photometric, relit, scrambled, texture, with_glasses
from fkd_train.data.dataset import Faces

Rng = np.random.Generator
FACE, IGNORED = 1, 2
"""Kinds of boxes: a face; and what is neither a face nor none, of which nothing is learned."""
EYES_NOSE_MOUTH = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))
"""Ranges of the 68 points whose means are the five points: right and left eye, tip of the nose,
right and left corner of the mouth; the right of the person, who looks at us from the left."""
_SHOWN, _HINTED = 0.55, 0.1
"""Shares of a face's box from which it is one, and from which it is at least no background."""
_LEAST = 0.07
"""Smallest share of a tile's side that its face takes."""
_BLOWN_UP = 2.5
"""Factor above which another image is tried: small images have no large faces to show."""


@dataclass(frozen=True)
class GroundTruth:
    """What is to be found: boxes (n, 4) tight around the 68 points, five points (n, 5, 2) of each,
    in pixels, and kinds (n,); the points of ignored boxes mean nothing."""

    boxes: Floats
    points: Floats
    kinds: NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats, ignored: Floats | None = None) -> GroundTruth:
        """Faces with 68 points each (n, 68, 2), and boxes (k, 4) to be ignored."""
        more = np.empty((0, 4), np.float32) if ignored is None else ignored
        boxes = np.concatenate([points_box(points), more.astype(np.float32)])
        five = np.concatenate([five_points(points), np.zeros((len(more), 5, 2), np.float32)])
        return cls(boxes, five, np.repeat([FACE, IGNORED], [len(points), len(more)]))

    @classmethod
    def joined(cls, parts: Sequence[GroundTruth]) -> GroundTruth:
        """All of several."""
        if not parts:
            return cls.of(np.empty((0, 68, 2), np.float32))
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.kinds for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.boxes)


def five_points(points: Floats) -> Floats:
    """Eyes, nose and corners of the mouth (..., 5, 2) of 68 points (..., 68, 2)."""
    means = [points[..., first:end, :].mean(axis=-2) for first, end in EYES_NOSE_MOUTH]
    return np.stack(means, axis=-2).astype(np.float32)


@dataclass(frozen=True)
class MosaicGenerator:
    """Draws mosaics from colour faces; `others` are boxes (k, 4) of faces without points on images,
    by name, and `pictures` are without any face."""

    faces: Faces
    others: Mapping[str, Floats]
    pictures: Sequence[Pixels]
    config: MosaicConfig

    def __call__(self, rng: Rng) -> tuple[Pixels, GroundTruth]:
        """One mosaic (S, S, 3), BGR, and what is on it."""
        size = self.config.size
        canvas = np.empty((size, size, 3), np.uint8)
        alone = rng.random() < self.config.single
        areas = [(0, 0, size, size)] if alone else _split((0, 0, size, size), rng)
        faceless = rng.random() < self.config.faceless
        truths: list[GroundTruth] = []
        for left, top, right, bottom in areas:
            tile = canvas[top:bottom, left:right]
            self._fill(tile, rng)
            if not faceless and rng.random() >= self.config.empty:
                truths.append(_moved(self._with_face(tile, rng), left, top))
            if rng.random() < self.config.relit:
                tile[:] = relit(tile, rng)
        return self._finished(canvas, rng), GroundTruth.joined(truths)

    def _fill(self, tile: Pixels, rng: Rng) -> None:
        """Something without a face."""
        kinds: list[Callable[[Pixels, Rng], None]] = [self._beside, self._picture, _textured]
        kinds.append(self._disordered)
        rng.choice(np.array(kinds), p=[0.5, 0.25, 0.15, 0.1])(tile, rng)

    def _beside(self, tile: Pixels, rng: Rng) -> None:
        """A part of an image beside all of its faces."""
        for _ in range(8):
            row = int(rng.integers(len(self.faces)))
            image = self.faces.images[row]
            taken = np.concatenate([points_box(self.faces.points[row])[None], self._others(row)])
            high, wide = tile.shape[:2]
            scale = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
            extent = np.array([wide, high]) / scale
            room = np.array(image.shape[1::-1]) - extent
            if (room < 0).any():
                continue
            corner = rng.uniform(0, room)
            shared = np.minimum(taken[:, 2:], corner + extent) - np.maximum(taken[:, :2], corner)
            if (np.prod(shared.clip(0), axis=1) > 0.05 * _areas(taken)).any():
                continue
            matrix = np.column_stack([scale * np.eye(2), -scale * corner])
            _warp(image, matrix, tile, cv2.BORDER_REPLICATE)
            return
        _textured(tile, rng)

    def _picture(self, tile: Pixels, rng: Rng) -> None:
        """A part of a picture without faces, of any size and turn."""
        if not self.pictures:
            return _textured(tile, rng)
        image = self.pictures[int(rng.integers(len(self.pictures)))]
        high, wide = tile.shape[:2]
        largest = max(high, wide) / min(image.shape[:2])
        scale = float(np.exp(rng.uniform(np.log(min(1.0, largest)), np.log(2 * max(1, largest)))))
        centre = rng.uniform(0, image.shape[1::-1])
        matrix = _placed(centre, scale, rng.uniform(-0.3, 0.3), (wide / 2, high / 2), False)
        _warp(image, matrix, tile, cv2.BORDER_REFLECT_101)
        return None

    def _disordered(self, tile: Pixels, rng: Rng) -> None:
        """A face's parts in another order, which is none."""
        row = int(rng.integers(len(self.faces)))
        box = points_box(self.faces.points[row])
        side = float((box[2:] - box[:2]).max()) * rng.uniform(1.0, 1.5)
        size = max(tile.shape[:2])
        square = np.empty((size, size, 3), np.uint8)
        matrix = similarity((box[:2] + box[2:]) / 2, side, size)
        _warp(self.faces.images[row], matrix, square, cv2.BORDER_REPLICATE)
        tile[:] = scrambled(square, rng)[: tile.shape[0], : tile.shape[1]]

    def _with_face(self, tile: Pixels, rng: Rng) -> GroundTruth:
        """Puts an image with its face into a tile."""
        row, scale = self._chosen(tile, rng)
        points = self.faces.points[row]
        high, wide = tile.shape[:2]
        extent = scale * float(np.ptp(points, axis=0).max())
        place = [_within(length, extent, rng) for length in (wide, high)]
        roll = np.radians(_roll(self.config, rng))
        mirror = rng.random() < 0.5
        box = points_box(points)
        matrix = _placed((box[:2] + box[2:]) / 2, scale, roll, place, mirror)
        # What is beside the image stays as it was, or goes on as the image ends.
        border = cv2.BORDER_TRANSPARENT if rng.random() < 0.5 else cv2.BORDER_REPLICATE
        _warp(self.faces.images[row], matrix, tile, border)
        moved = transform(points, matrix)
        if mirror:
            moved = moved[self.faces.scheme.flip_permutation]
        self._cover(tile, moved, rng)
        ignored = [points_box(transform(c, matrix)) for c in map(_corners, self._others(row))]
        others = np.array(ignored, np.float32).reshape(-1, 4)
        return _shown(GroundTruth.of(moved[None], others), wide, high)

    def _chosen(self, tile: Pixels, rng: Rng) -> tuple[int, float]:
        """An image, and by how much it is enlarged, for a face of some size."""
        side = min(tile.shape[:2])
        smallest = max(self.config.smallest, _LEAST * side)
        largest = max(self.config.largest * side, smallest + 1)
        wanted = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
        row, scale = 0, np.inf
        for _ in range(4):
            if scale <= _BLOWN_UP:
                break
            other = int(rng.integers(len(self.faces)))
            factor = wanted / float(np.ptp(self.faces.points[other], axis=0).max())
            if factor < scale:
                row, scale = other, factor
        return row, scale

    def _others(self, row: int) -> Floats:
        return self.others.get(self.faces.names[row], np.empty((0, 4), np.float32))

    def _cover(self, tile: Pixels, points: Floats, rng: Rng) -> None:
        """Glasses on a face, or something in front of it."""
        if rng.random() < self.config.glasses:
            corners = points[list(self.faces.scheme.outer_eye_corners)]
            tile[:] = with_glasses(tile, corners, rng)
        if rng.random() < self.config.occlusion:
            _occlude(tile, points_box(points), rng)

    def _finished(self, canvas: Pixels, rng: Rng) -> Pixels:
        """The whole picture's light, colours, sharpness and compression."""
        config = self.config
        if rng.random() < config.gray:
            canvas = bgr_image(gray_plane(canvas))
        elif rng.random() < config.tint:
            canvas = _scaled(canvas, np.exp(rng.normal(0, 0.15, 3)))
        if rng.random() < config.dark:
            canvas = _scaled(canvas, np.full(3, np.exp(rng.uniform(np.log(0.08), np.log(0.6)))))
        return photometric(canvas, config.augment, rng)


def _split(area: tuple[int, int, int, int], rng: Rng) -> Iterator[tuple[int, int, int, int]]:
    """Cuts an area (left, top, right, bottom) into tiles, some of them small."""
    left, top, right, bottom = area
    wide, high = right - left, bottom - top
    longer = max(wide, high)
    if longer < 96 or (longer < 300 and rng.random() < 0.35):
        yield area
        return
    share = rng.uniform(0.3, 0.7)
    if wide > high * rng.uniform(0.8, 1.25):
        middle = left + round(share * wide)
        yield from _split((left, top, middle, bottom), rng)
        yield from _split((middle, top, right, bottom), rng)
    else:
        middle = top + round(share * high)
        yield from _split((left, top, right, middle), rng)
        yield from _split((left, middle, right, bottom), rng)


def _roll(config: MosaicConfig, rng: Rng) -> float:
    """How far a face is tilted further, in degrees."""
    if rng.random() < config.tilted:
        return float(rng.uniform(-config.roll, config.roll))
    return float(rng.normal(0, 6))


def _within(length: int, extent: float, rng: Rng) -> float:
    """Where a face of some extent lies along a side: mostly inside, now and then cut by an edge."""
    margin = extent * (0.5 if rng.random() < 0.75 else 0.1)
    if 2 * margin >= length:
        return length / 2 + rng.uniform(-0.15, 0.15) * length
    return float(rng.uniform(margin, length - margin))


def _placed(
    centre: Sequence[float] | NDArray[np.generic],
    scale: float,
    roll: float,
    place: Sequence[float],
    mirror: bool,
) -> Matrix:
    """The matrix (2, 3) that scales and turns an image about `centre`, which lands on `place`."""
    matrix = similarity(centre, 1.0, 1, roll, mirror)
    return np.column_stack([scale * matrix[:, :2], scale * matrix[:, 2] + np.asarray(place)])


def _warp(image: Pixels, matrix: Matrix, tile: Pixels, border: int) -> None:
    """Draws an image onto a tile; averaged first where it gets much smaller."""
    factor = int(1 / np.linalg.norm(matrix[:, 0]))
    if factor >= 2:
        image, back = downscale(image, factor)
        offset = matrix[:, :2] @ back[:, 2] + matrix[:, 2]
        matrix = np.column_stack([matrix[:, :2] @ back[:, :2], offset])
    drawn = np.ascontiguousarray(tile)
    cv2.warpAffine(image, matrix, tile.shape[1::-1], drawn, cv2.INTER_LINEAR, border)
    tile[:] = drawn


def _textured(tile: Pixels, rng: Rng) -> None:
    size = max(tile.shape[:2])
    tile[:] = texture((size, size, 3), rng)[: tile.shape[0], : tile.shape[1]]


def _occlude(tile: Pixels, box: Floats, rng: Rng) -> None:
    """Covers a part of a box with a patch of one colour or of the tile's own pixels."""
    wide, high = (box[2:] - box[:2]).tolist()
    size = np.array([wide, high]) * rng.uniform(0.2, 0.55, 2)
    corner = rng.uniform(box[:2] - size / 2, box[2:] - size / 2)
    low = np.maximum(corner, 0).astype(int)
    end = np.minimum(corner + size, tile.shape[1::-1]).astype(int)
    if (end <= low).any():
        return
    patch = tile[low[1] : end[1], low[0] : end[0]]
    if rng.random() < 0.6:
        patch[:] = rng.integers(0, 256, 3)
        return
    room = np.array(tile.shape[1::-1]) - (end - low)
    x, y = rng.integers(0, room + 1).tolist()
    patch[:] = tile[y : y + patch.shape[0], x : x + patch.shape[1]].copy()


def _scaled(pixels: Pixels, factors: NDArray[np.float64]) -> Pixels:
    """Each channel brighter or darker."""
    table = np.arange(256)[:, None] * factors
    lookup = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, lookup.reshape(1, 256, 3)), np.uint8)


def _shown(truth: GroundTruth, wide: int, high: int) -> GroundTruth:
    """Faces that are seen; those of which little is seen are ignored, and the rest left out."""
    edges = np.array([wide, high], np.float32) - 0.5
    seen = np.minimum(truth.boxes[:, 2:], edges) - np.maximum(truth.boxes[:, :2], -0.5)
    share = np.prod(seen.clip(0), axis=1) / _areas(truth.boxes)
    kinds = np.where(share >= _SHOWN, truth.kinds, IGNORED)
    kept = share >= _HINTED
    return GroundTruth(truth.boxes[kept], truth.points[kept], kinds[kept])


def _moved(truth: GroundTruth, left: int, top: int) -> GroundTruth:
    corner = np.array([left, top], np.float32)
    return GroundTruth(truth.boxes + np.tile(corner, 2), truth.points + corner, truth.kinds)


def _corners(box: Floats) -> Floats:
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), np.float32)
