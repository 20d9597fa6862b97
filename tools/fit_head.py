"""Fits the 3D mean head to annotated 2D faces: `python tools/fit_head.py`.

Structure from motion under scaled orthographic projection: a face's points are the head's, rotated,
scaled and translated. Alternates least-squares fits of the poses and of the head's shape, which is
made symmetrical each time. Prints fkd_infer/landmarks/head.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fkd_infer.landmarks.schemes import IBUG68

Array = NDArray[np.float64]

ROUNDS = 200


def read_faces(table: Path) -> Array:
    """Reads points (n, 68, 2) from a keypoints table."""
    rows = pd.read_csv(table, index_col=0).to_numpy(np.float64)
    return rows.reshape(len(rows), 68, 2)


def first_guess(faces: Array) -> Array:
    """Returns the mean upright face (68, 3), with the depth of an ellipsoid and a nose."""
    left, right = IBUG68.outer_eye_corners
    points = faces[..., 0] + 1j * faces[..., 1]
    a, b = points[:, left, None], points[:, right, None]
    mean = ((points - (a + b) / 2) / (b - a)).mean(axis=0)
    shape = np.column_stack([mean.real, mean.imag, -0.9 * mean.real**2])
    shape[27:31, 2] += np.linspace(0.05, 0.45, 4)
    shape[31:36, 2] += 0.2
    return symmetrical(shape)


def symmetrical(shape: Array) -> Array:
    """Averages the shape with its mirror image."""
    mirrored = shape[IBUG68.flip_permutation] * (-1, 1, 1)
    return (shape + mirrored) / 2


def poses(faces: Array, shape: Array) -> tuple[Array, Array]:
    """Fits scaled rotations (n, 2, 3) and centres (n, 1, 2) that map the shape to the faces."""
    centres = faces.mean(axis=1, keepdims=True)
    solved = np.linalg.pinv(shape - shape.mean(axis=0)) @ (faces - centres)  # (n, 3, 2)
    u, s, vt = np.linalg.svd(np.swapaxes(solved, 1, 2), full_matrices=False)
    return (u @ vt) * s.mean(axis=1)[:, None, None], centres


def shape_from(faces: Array, rotations: Array, centres: Array) -> Array:
    """Fits the shape (68, 3) to faces in these poses; errors are relative to face size."""
    scale = np.linalg.norm(rotations[:, 0], axis=1)[:, None, None]
    rows = (rotations / scale).reshape(-1, 3)  # (2n, 3)
    points = np.swapaxes((faces - centres) / scale, 1, 2).reshape(-1, faces.shape[1])
    return symmetrical(np.linalg.lstsq(rows, points, rcond=None)[0].T)


def upright(shape: Array) -> Array:
    """Moves outer eye corners to (∓0.5, 0, 0), and makes the line from bridge to chin vertical."""
    left, right = IBUG68.outer_eye_corners
    shape = (shape - (shape[left] + shape[right]) / 2) / (shape[right, 0] - shape[left, 0])
    pitch = np.arctan2(shape[8, 2] - shape[27, 2], shape[8, 1] - shape[27, 1])
    cos, sin = np.cos(pitch), np.sin(pitch)
    rotation = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    return shape @ rotation.T


def main() -> None:
    """Prints the head, and on stderr the median error of faces."""
    faces = read_faces(Path(os.environ["FKD_DATA"]) / "training_frames_keypoints.csv")
    shape = first_guess(faces)
    for _ in range(ROUNDS):
        rotations, centres = poses(faces, shape)
        shape = shape_from(faces, rotations, centres)
        shape /= np.linalg.norm(shape[45] - shape[36])
    rotations, centres = poses(faces, shape)
    residuals = faces - centres - np.swapaxes(rotations @ (shape - shape.mean(axis=0)).T, 1, 2)
    scale = np.linalg.norm(rotations[:, 0], axis=1)
    error = np.sqrt((residuals**2).mean(axis=(1, 2))) / scale
    print(f"median RMS error {np.median(error):.3f} of the eyes' distance", file=sys.stderr)
    head = np.round(upright(shape), 3) + 0.0
    print(json.dumps(head.tolist()).replace("], [", "],\n  ["))


if __name__ == "__main__":
    main()
