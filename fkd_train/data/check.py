"""Looks for what is probably wrong in annotated faces that can be read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix
from fkd_train.data.faces import Faces

SMALL = 24
"""Pixels; smaller faces, from brows to chin, show few details."""
_UNLIKE = 6.0
"""A face is unlike the others if its shape is so many times as far from their mean as usual."""
_ROUNDS = 3


@dataclass(frozen=True)
class Suspicion:
    """Something that is probably wrong, and the faces (rows) that show it."""

    what: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class FaceSizes:
    """The smallest, median and largest of some lengths in pixels."""

    smallest: float
    median: float
    largest: float

    @classmethod
    def of(cls, lengths: NDArray[np.floating]) -> FaceSizes:
        """The summary of lengths (n,)."""
        return cls(float(lengths.min()), float(np.median(lengths)), float(lengths.max()))

    def __str__(self) -> str:
        return f"{self.smallest:.0f} to {self.largest:.0f} px, median {self.median:.0f}"


def image_sides(faces: Faces) -> FaceSizes:
    """The longer sides of the images."""
    return FaceSizes.of(np.array([max(image.shape[:2]) for image in faces.images], float))


def face_sides(faces: Faces) -> FaceSizes:
    """The longer sides of the points' boxes."""
    return FaceSizes.of(_extents(faces.points))


def suspicions(faces: Faces) -> list[Suspicion]:
    """What is probably wrong in the faces of one part of a data set; empty if nothing is."""
    swapped = _swapped(faces)
    found = [
        Suspicion("points outside of the image", _outside(faces)),
        Suspicion(f"faces smaller than {SMALL} px", _rows(_extents(faces.points) < SMALL)),
        Suspicion("left and right points swapped", swapped),
        Suspicion("faces upside down or on their side", _without(swapped, _turned(faces))),
        Suspicion("shapes unlike all others", _without(swapped, _unlike(faces))),
    ]
    found += [
        Suspicion("the same image twice", tuple(rows))
        for rows in _by_image(faces).values()
        if len(rows) > 1
    ]
    return [suspicion for suspicion in found if suspicion.rows]


def shared_images(parts: Mapping[str, Faces]) -> list[tuple[str, str, int]]:
    """Pairs of parts that have images in common, and how many."""
    digests = {name: set(_by_image(faces)) for name, faces in parts.items()}
    names = list(parts)
    shared = [
        (one, other, len(digests[one] & digests[other]))
        for number, one in enumerate(names)
        for other in names[number + 1 :]
    ]
    return [row for row in shared if row[2]]


def _rows(selected: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(selected).tolist())


def _without(known: tuple[int, ...], rows: tuple[int, ...]) -> tuple[int, ...]:
    """The rows that are not already suspicious for another reason."""
    return tuple(row for row in rows if row not in known)


def _extents(points: Floats) -> Floats:
    extents: Floats = np.ptp(points, axis=1).max(axis=1)
    return extents


def _outside(faces: Faces) -> tuple[int, ...]:
    sizes = np.array([image.shape[1::-1] for image in faces.images], np.float32)[:, None]
    beyond: NDArray[np.bool_] = (faces.points < -0.5) | (faces.points > sizes - 0.5)
    return _rows(np.asarray(beyond.any(axis=(1, 2))))


def _by_image(faces: Faces) -> dict[str, list[int]]:
    """Rows by the digest of their pixels."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, image in enumerate(faces.images):
        digest = hashlib.sha256(str(image.shape).encode() + image.tobytes())
        rows[digest.hexdigest()].append(row)
    return rows


def _turned(faces: Faces) -> tuple[int, ...]:
    """Faces whose outer eye corners, by their names, are more vertical than horizontal, or the
    wrong way round."""
    left, right = faces.scheme.outer_eye_corners
    x, y = np.moveaxis(faces.points[:, right] - faces.points[:, left], -1, 0)
    return _rows(np.abs(np.degrees(np.arctan2(y, x))) > 60)


def _swapped(faces: Faces) -> tuple[int, ...]:
    """Faces that fit the mean face better with the points of each mirror pair exchanged."""
    permutation = faces.scheme.flip_permutation
    if (permutation == np.arange(len(permutation))).all() or faces.scheme.count < 3:
        return ()
    mean = _mean_shape(faces.points)
    as_given = _residuals(faces.points, mean)
    return _rows(_residuals(faces.points[:, permutation], mean) < 0.5 * as_given)


def _unlike(faces: Faces) -> tuple[int, ...]:
    if len(faces) < 10 or faces.scheme.count < 3:
        return ()
    residuals = _residuals(faces.points, _mean_shape(faces.points))
    return _rows(residuals > _UNLIKE * max(float(np.median(residuals)), 1e-6))


def _mean_shape(points: Floats) -> NDArray[np.complex128]:
    """The mean shape (k,) of faces (n, k, 2), each moved, turned and scaled onto it: a generalised
    Procrustes analysis (Gower, Psychometrika 1975) in complex numbers; medians keep out errors."""
    shapes = _as_shapes(points)
    mean: NDArray[np.complex128] = shapes[int(np.argsort(_extents(points))[len(points) // 2])]
    for _ in range(_ROUNDS):
        fitted = _fitted(shapes, mean)
        mean = np.asarray(np.median(fitted.real, axis=0) + 1j * np.median(fitted.imag, axis=0))
        mean = mean / np.linalg.norm(mean)
    return mean


def _residuals(points: Floats, mean: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The distance (n,) of each shape from the mean shape."""
    shapes = _as_shapes(points)
    residuals: NDArray[np.float64] = np.linalg.norm(_fitted(shapes, mean) - mean, axis=1)
    return residuals


def _as_shapes(points: Floats) -> NDArray[np.complex128]:
    """Faces (n, k) as complex numbers around 0, of size 1."""
    shapes = points[..., 0].astype(np.float64) + 1j * points[..., 1].astype(np.float64)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    norms: Matrix = np.linalg.norm(shapes, axis=1, keepdims=True)
    return np.asarray(shapes / np.maximum(norms, 1e-9))


def _fitted(shapes: NDArray[np.complex128], mean: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Shapes (n, k) turned and scaled onto the mean shape, each as well as it can be."""
    factors = (shapes.conj() * mean).sum(axis=1, keepdims=True)
    return np.asarray(shapes * factors)
