"""Shapes of faces without their place, size and tilt: the mean of many, and how far one is from it.

A generalised Procrustes analysis (Gower, Psychometrika 1975) in complex numbers, x + iy, in which a
product turns and scales. Medians keep out wrong annotations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Matrix

Shape = NDArray[np.complex128]
"""Points (..., k) as complex numbers."""
_ROUNDS = 3


def extents(points: Floats) -> Floats:
    """The longer side (n,) of the box around the points (n, k, 2) of each face."""
    sides: Floats = np.ptp(points, axis=1).max(axis=1)
    return sides


def mean_shape(points: Floats) -> Shape:
    """The mean shape (k,) of faces (n, k, 2), each moved, turned and scaled onto it."""
    shapes = _normalised(points)
    mean: Shape = shapes[int(np.argsort(extents(points))[len(points) // 2])]
    for _ in range(_ROUNDS):
        fitted = _fitted(shapes, mean)
        mean = np.asarray(np.median(fitted.real, axis=0) + 1j * np.median(fitted.imag, axis=0))
        mean = mean / np.linalg.norm(mean)
    return mean


def distances_from(mean: Shape, points: Floats) -> NDArray[np.float64]:
    """The distance (n,) of each face (n, k, 2) from the mean shape."""
    distances: NDArray[np.float64] = np.linalg.norm(
        _fitted(_normalised(points), mean) - mean, axis=1
    )
    return distances


def with_filled_gaps(points: Floats) -> Floats:
    """Points (n, k, 2) with a place for each that is NaN: where the mean shape has it, moved,
    turned and scaled onto the other points of the face, by least squares.

    Each face needs two different points. A point that no face has lies in the middle of the face.
    """
    known: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(axis=2))
    if known.all():
        return points
    shapes = np.where(known, _complex(points), 0)
    mean = _mean_of_known(shapes, known)
    placed = _moved_onto(shapes, np.broadcast_to(mean, shapes.shape), known)
    places = np.stack([placed.real, placed.imag], axis=-1)
    return np.where(known[..., None], points, places.astype(np.float32))


def _mean_of_known(shapes: Shape, known: NDArray[np.bool_]) -> Shape:
    """The mean shape (k,) of faces (n, k) of which only some points are known; the first mean is
    the face with the most."""
    first = int(known.sum(axis=1).argmax())
    mean: Shape = shapes[first]
    in_mean = known[first]
    for _ in range(_ROUNDS):
        shared = known & in_mean
        usable = shared.sum(axis=1) >= 2
        targets = np.broadcast_to(mean, shapes.shape)[usable]
        fitted = _moved_onto(targets, shapes[usable], shared[usable])
        in_mean = np.asarray(known[usable].any(axis=0))
        values = np.where(known[usable], fitted, np.nan + 1j * np.nan)[:, in_mean]
        middle = np.nanmedian(values.real, axis=0) + 1j * np.nanmedian(values.imag, axis=0)
        mean = np.full(len(mean), middle.mean())
        mean[in_mean] = middle
    return mean


def _moved_onto(targets: Shape, shapes: Shape, shared: NDArray[np.bool_]) -> Shape:
    """All points of shapes (n, k), each moved, turned and scaled so that its shared points are as
    near as possible to those of its target (n, k)."""
    counts = shared.sum(axis=1, keepdims=True)
    middles, own_middles = (
        np.where(shared, some, 0).sum(axis=1, keepdims=True) / counts for some in (targets, shapes)
    )
    centred = np.where(shared, shapes - own_middles, 0)
    sizes = (np.abs(centred) ** 2).sum(axis=1, keepdims=True)
    factors = (centred.conj() * (targets - middles)).sum(axis=1, keepdims=True)
    factors = factors / np.maximum(sizes, 1e-12)
    return np.asarray(middles + factors * (shapes - own_middles))


def _complex(points: Floats) -> Shape:
    return np.asarray(points[..., 0].astype(np.float64) + 1j * points[..., 1].astype(np.float64))


def _normalised(points: Floats) -> Shape:
    """Faces (n, k) as complex numbers around 0, of size 1."""
    shapes = _complex(points)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    norms: Matrix = np.linalg.norm(shapes, axis=1, keepdims=True)
    return np.asarray(shapes / np.maximum(norms, 1e-9))


def _fitted(shapes: Shape, mean: Shape) -> Shape:
    """Shapes (n, k) turned and scaled onto the mean shape, each as well as it can be."""
    factors = (shapes.conj() * mean).sum(axis=1, keepdims=True)
    return np.asarray(shapes * factors)
