"""Training images of a face detector, composed of images with one annotated face each.

A mosaic is a square that is cut at random into tiles. A tile shows an annotated face, small or
larger than the tile, upright or tilted, complete or cut by the tile's edge, in its own
surroundings; or something without a face, such as a face upside down. Every random choice uses the
generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix, Pixels, bgr_image, gray_plane
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.transforms import similarity, transform
from fkd_train.config.detector import MosaicConfig
from fkd_train.data.augmentation.drawings import emblem, lettering, segment_digits
from fkd_train.data.augmentation.non_faces import scrambled, texture
from fkd_train.data.augmentation.occluders import with_glasses
from fkd_train.data.augmentation.photometric import Rng, photometric, relit
from fkd_train.data.faces import Faces
from fkd_train.ground_truth import IGNORED, GroundTruth, five_points

_VISIBLE_SHARE, _HINTED_SHARE = 0.55, 0.1
"""Visible shares of a box from which it counts as a face, and from which it is ignored instead of
background."""
_MAX_ROLL, _MIN_WRONG_ROLL = 65.0, 80.0
"""Degrees up to which a turned face counts as a face, and from which it is background."""
_MIN_FACE_SHARE = 0.07
"""Smallest share of a tile's side that its face covers."""
_MAX_ENLARGEMENT = 2.5
"""Enlargement above which another image is tried, since small images become blurred."""


@dataclass(frozen=True)
class MosaicGenerator:
    """Draws mosaics from faces on colour images.

    `others` are boxes (k, 4) of faces without points, by image name; `pictures` show no face. Faces
    are drawn by the `weights` of their data sets, 1 by default.
    """

    faces: Faces
    others: Mapping[str, Floats]
    pictures: Sequence[Pixels]
    config: MosaicConfig
    weights: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, rng: Rng) -> tuple[Pixels, GroundTruth]:
        """Draws one mosaic (S, S, 3) BGR, with its faces."""
        size = self.config.size
        canvas = np.empty((size, size, 3), np.uint8)
        is_single = rng.random() < self.config.single
        areas = [(0, 0, size, size)] if is_single else _split((0, 0, size, size), rng)
        is_faceless = rng.random() < self.config.faceless
        truths: list[GroundTruth] = []
        for left, top, right, bottom in areas:
            tile = canvas[top:bottom, left:right]
            self._draw_background(tile, rng)
            if not is_faceless and rng.random() >= self.config.empty:
                truths.append(self._draw_face(tile, rng).shifted(left, top))
            if rng.random() < self.config.relit:
                tile[:] = relit(tile, rng)
        return self._finish(canvas, rng), GroundTruth.joined(truths)

    def _draw_background(self, tile: Pixels, rng: Rng) -> None:
        """Fills a tile with something without a face."""
        draws: list[Callable[[Pixels, Rng], None]] = [
            self._draw_surroundings,
            self._draw_picture,
            _draw_texture,
            self._draw_scrambled_face,
        ]
        rng.choice(np.array(draws), p=[0.5, 0.25, 0.15, 0.1])(tile, rng)
        if rng.random() < self.config.blurred:
            sigma = rng.uniform(0.01, 0.1) * max(tile.shape[:2])
            tile[:] = cv2.GaussianBlur(tile, (0, 0), sigma)
        if rng.random() < self.config.drawn:
            for _ in range(int(rng.integers(1, 4))):
                rng.choice(np.array([lettering, segment_digits, emblem]))(tile, rng)

    def _draw_surroundings(self, tile: Pixels, rng: Rng) -> None:
        """A part of an image outside all of its faces."""
        for _ in range(8):
            row = int(rng.integers(len(self.faces)))
            image = self.faces.images[row]
            faces = np.concatenate([points_box(self.faces.points[row])[None], self._others(row)])
            height, width = tile.shape[:2]
            scale = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
            extent = np.array([width, height]) / scale
            room = np.array(image.shape[1::-1]) - extent
            if (room < 0).any():
                continue
            corner = rng.uniform(0, room)
            shared = np.minimum(faces[:, 2:], corner + extent) - np.maximum(faces[:, :2], corner)
            if (np.prod(shared.clip(0), axis=1) > 0.05 * _areas(faces)).any():
                continue
            matrix = np.column_stack([scale * np.eye(2), -scale * corner])
            warp(image, matrix, tile, cv2.BORDER_REPLICATE)
            return
        _draw_texture(tile, rng)

    def _draw_picture(self, tile: Pixels, rng: Rng) -> None:
        """A part of a picture without faces, scaled and turned at random."""
        if not self.pictures:
            return _draw_texture(tile, rng)
        image = self.pictures[int(rng.integers(len(self.pictures)))]
        height, width = tile.shape[:2]
        largest = max(height, width) / min(image.shape[:2])
        scale = float(np.exp(rng.uniform(np.log(min(1.0, largest)), np.log(2 * max(1, largest)))))
        centre = rng.uniform(0, image.shape[1::-1])
        matrix = placement(centre, scale, rng.uniform(-0.3, 0.3), (width / 2, height / 2), False)
        warp(image, matrix, tile, cv2.BORDER_REFLECT_101)
        return None

    def _draw_scrambled_face(self, tile: Pixels, rng: Rng) -> None:
        row = int(rng.integers(len(self.faces)))
        box = points_box(self.faces.points[row])
        side = float((box[2:] - box[:2]).max()) * rng.uniform(1.0, 1.5)
        size = max(tile.shape[:2])
        square = np.empty((size, size, 3), np.uint8)
        matrix = similarity((box[:2] + box[2:]) / 2, side, size)
        warp(self.faces.images[row], matrix, square, cv2.BORDER_REPLICATE)
        tile[:] = scrambled(square, rng)[: tile.shape[0], : tile.shape[1]]

    def _draw_face(self, tile: Pixels, rng: Rng) -> GroundTruth:
        """Draws an image with its face into a tile."""
        row, scale = self._choose_image(tile, rng)
        points = self.faces.points[row]
        height, width = tile.shape[:2]
        extent = scale * float(np.ptp(points, axis=0).max())
        place = [_position(length, extent, rng) for length in (width, height)]
        roll = np.radians(_roll(self.config, rng))
        mirror = rng.random() < 0.5
        box = points_box(points)
        matrix = placement((box[:2] + box[2:]) / 2, scale, roll, place, mirror)
        # Outside the image the tile keeps its background, or the image's edge is repeated.
        border = cv2.BORDER_TRANSPARENT if rng.random() < 0.5 else cv2.BORDER_REPLICATE
        warp(self.faces.images[row], matrix, tile, border)
        moved = transform(points, matrix)
        if mirror:
            moved = moved[self.faces.scheme.flip_permutation]
        turned = abs(self._roll_of(moved))
        if turned >= _MIN_WRONG_ROLL:
            return GroundTruth.joined([])
        self._cover(tile, moved, rng)
        ignored = [points_box(transform(c, matrix)) for c in map(_corners, self._others(row))]
        others = np.array(ignored, np.float32).reshape(-1, 4)
        truth = _visible(GroundTruth.of(moved[None], others), width, height)
        return truth if turned <= _MAX_ROLL else truth.ignored()

    def _roll_of(self, points: Floats) -> float:
        """How far a face is turned, in degrees; 0 is upright."""
        right, left = points[list(self.faces.scheme.outer_eye_corners)]
        x, y = left - right
        return float(np.degrees(np.arctan2(y, x)))

    def _choose_image(self, tile: Pixels, rng: Rng) -> tuple[int, float]:
        """An image and the scale at which its face has a random size."""
        side = min(tile.shape[:2])
        smallest = max(self.config.smallest, _MIN_FACE_SHARE * side)
        largest = max(self.config.largest * side, smallest + 1)
        size = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
        row, scale = 0, np.inf
        for _ in range(4):
            if scale <= _MAX_ENLARGEMENT:
                break
            other = int(np.searchsorted(self._chances, rng.random(), side="right"))
            factor = size / float(np.ptp(self.faces.points[other], axis=0).max())
            if factor < scale:
                row, scale = other, factor
        return row, scale

    @cached_property
    def _chances(self) -> NDArray[np.float64]:
        """Cumulative probabilities (n,) by which faces are drawn."""
        weights = 1 + self.config.profiles * turned_sideways(self.faces)
        if self.faces.sets:
            weights *= [self.weights.get(name, 1.0) for name in self.faces.sets]
        sums = np.cumsum(weights / weights.sum())
        sums[-1] = 1.0
        return sums

    def _others(self, row: int) -> Floats:
        return self.others.get(self.faces.names[row], np.empty((0, 4), np.float32))

    def _cover(self, tile: Pixels, points: Floats, rng: Rng) -> None:
        """Draws glasses on a face, or a patch in front of it."""
        if rng.random() < self.config.glasses:
            corners = points[list(self.faces.scheme.outer_eye_corners)]
            tile[:] = with_glasses(tile, corners, rng)
        if rng.random() < self.config.occlusion:
            _occlude(tile, points_box(points), rng)

    def _finish(self, canvas: Pixels, rng: Rng) -> Pixels:
        """Changes light, colours, sharpness and compression of the complete mosaic."""
        config = self.config
        if rng.random() < config.gray:
            canvas = bgr_image(gray_plane(canvas))
        elif rng.random() < config.tint:
            canvas = _scaled_channels(canvas, np.exp(rng.normal(0, 0.15, 3)))
        if rng.random() < config.dark:
            factor = np.exp(rng.uniform(np.log(0.08), np.log(0.6)))
            canvas = _scaled_channels(canvas, np.full(3, factor))
        return photometric(canvas, config.augment, rng)


def _split(area: tuple[int, int, int, int], rng: Rng) -> Iterator[tuple[int, int, int, int]]:
    """Cuts an area (left, top, right, bottom) recursively into tiles, some of them small."""
    left, top, right, bottom = area
    width, height = right - left, bottom - top
    longer = max(width, height)
    if longer < 96 or (longer < 300 and rng.random() < 0.35):
        yield area
        return
    share = rng.uniform(0.3, 0.7)
    if width > height * rng.uniform(0.8, 1.25):
        middle = left + round(share * width)
        yield from _split((left, top, middle, bottom), rng)
        yield from _split((middle, top, right, bottom), rng)
    else:
        middle = top + round(share * height)
        yield from _split((left, top, right, middle), rng)
        yield from _split((left, middle, right, bottom), rng)


def _roll(config: MosaicConfig, rng: Rng) -> float:
    """The additional tilt of a face, in degrees."""
    chance = rng.random()
    if chance < config.tilted:
        return float(rng.uniform(-config.roll, config.roll))
    if chance > 1 - config.inverted:
        return float(rng.uniform(90, 270))
    return float(rng.normal(0, 6))


def _position(length: int, extent: float, rng: Rng) -> float:
    """The centre of a face along one side: mostly inside, sometimes cut by an edge."""
    margin = extent * (0.5 if rng.random() < 0.75 else 0.1)
    if 2 * margin >= length:
        return length / 2 + rng.uniform(-0.15, 0.15) * length
    return float(rng.uniform(margin, length - margin))


def placement(
    centre: Sequence[float] | NDArray[np.generic],
    scale: float,
    roll: float,
    place: Sequence[float] | NDArray[np.generic],
    mirror: bool,
) -> Matrix:
    """The matrix (2, 3) that scales and turns an image about `centre` and moves that to `place`."""
    matrix = similarity(centre, 1.0, 1, roll, mirror)
    return np.column_stack([scale * matrix[:, :2], scale * matrix[:, 2] + np.asarray(place)])


def warp(image: Pixels, matrix: Matrix, tile: Pixels, border: int) -> None:
    """Draws an image onto a tile; averages pixels first if it gets much smaller."""
    factor = int(1 / np.linalg.norm(matrix[:, 0]))
    if factor >= 2:
        image, back = downscale(image, factor)
        offset = matrix[:, :2] @ back[:, 2] + matrix[:, 2]
        matrix = np.column_stack([matrix[:, :2] @ back[:, :2], offset])
    drawn = np.ascontiguousarray(tile)
    cv2.warpAffine(image, matrix, tile.shape[1::-1], drawn, cv2.INTER_LINEAR, border)
    tile[:] = drawn


def _draw_texture(tile: Pixels, rng: Rng) -> None:
    size = max(tile.shape[:2])
    tile[:] = texture((size, size, 3), rng)[: tile.shape[0], : tile.shape[1]]


def _occlude(tile: Pixels, box: Floats, rng: Rng) -> None:
    """Covers a part of a box with a patch of one colour or of the tile's own pixels."""
    width, height = (box[2:] - box[:2]).tolist()
    size = np.array([width, height]) * rng.uniform(0.2, 0.55, 2)
    corner = rng.uniform(box[:2] - size / 2, box[2:] - size / 2)
    start = np.maximum(corner, 0).astype(int)
    end = np.minimum(corner + size, tile.shape[1::-1]).astype(int)
    if (end <= start).any():
        return
    patch = tile[start[1] : end[1], start[0] : end[0]]
    if rng.random() < 0.6:
        patch[:] = rng.integers(0, 256, 3)
        return
    room = np.array(tile.shape[1::-1]) - (end - start)
    x, y = rng.integers(0, room + 1).tolist()
    patch[:] = tile[y : y + patch.shape[0], x : x + patch.shape[1]].copy()


def _scaled_channels(pixels: Pixels, factors: NDArray[np.float64]) -> Pixels:
    """Multiplies the brightness of each channel."""
    table = np.arange(256)[:, None] * factors
    lookup = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, lookup.reshape(1, 256, 3)), np.uint8)


def _visible(truth: GroundTruth, width: int, height: int) -> GroundTruth:
    """Drops boxes that are almost invisible in a tile, and ignores those that are largely cut."""
    edges = np.array([width, height], np.float32) - 0.5
    sides = np.minimum(truth.boxes[:, 2:], edges) - np.maximum(truth.boxes[:, :2], -0.5)
    share = np.prod(sides.clip(0), axis=1) / _areas(truth.boxes)
    # A face larger than the tile is one if its eyes, nose and mouth are there.
    has_parts = ((truth.points >= 0) & (truth.points <= edges)).all((1, 2))
    kinds = np.where((share >= _VISIBLE_SHARE) | has_parts, truth.kinds, IGNORED)
    rows = share >= _HINTED_SHARE
    return GroundTruth(truth.boxes[rows], truth.points[rows], kinds[rows])


def turned_sideways(faces: Faces) -> NDArray[np.float64]:
    """How far heads are turned sideways, (n,) from 0 to 1: how far the tip of the nose lies beside
    the middle of the eyes, in distances of the eyes."""
    right, left, nose = five_points(faces.points)[:, :3].swapaxes(0, 1)
    across = left - right
    aside = ((nose - (right + left) / 2) * across).sum(1) / (across**2).sum(1)
    return np.asarray(np.abs(aside).clip(0, 1), np.float64)


def _corners(box: Floats) -> Floats:
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), np.float32)
