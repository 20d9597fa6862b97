"""Transforms of the plane, fitted to pairs of points by least squares."""

from __future__ import annotations

import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix


def fit_similarity(source: Matrix, target: Matrix | Floats) -> Matrix:
    """Returns the rotation, scale and shift (2, 3) that best map `source` (k, 2) to `target`."""
    start = source[:, 0] + 1j * source[:, 1]
    end = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    start_mean, end_mean = start.mean(), end.mean()
    centred = start - start_mean
    factor = np.vdot(centred, end - end_mean) / np.vdot(centred, centred).real
    shift = end_mean - factor * start_mean
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def fit_affine(source: Matrix, target: Matrix | Floats) -> Matrix:
    """Returns the affine matrix (2, 3) that best maps `source` (k, 2) to `target` (k, 2)."""
    homogeneous = np.column_stack([source, np.ones(len(source))])
    matrix: Matrix = np.linalg.lstsq(homogeneous, target.astype(np.float64), rcond=None)[0].T
    return matrix
