"""Non-maximum suppression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats

_BLOCK = 256
"""Boxes compared with each other at once; memory grows with the square."""


def iou(first: Floats, second: Floats) -> Floats:
    """IoU (n, m) of boxes (n, 4) and (m, 4): intersection over union."""
    intersection, one, two = _areas(first, second)
    return np.asarray(intersection / (one + two - intersection), np.float32)


def coverage(first: Floats, second: Floats) -> Floats:
    """Intersection (n, m) of boxes (n, 4) and (m, 4), over the area of the smaller box."""
    intersection, one, two = _areas(first, second)
    return np.asarray(intersection / np.minimum(one, two), np.float32)


def _areas(first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """Areas of the intersections (n, m), and of both boxes (n, 1) and (1, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod((high - low).clip(0), axis=-1)
    one, two = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second))
    return intersection, one[:, None], two[None]


def suppress(
    boxes: Floats,
    scores: NDArray[np.float32],
    limit: float,
    measure: Callable[[Floats, Floats], Floats] = iou,
) -> NDArray[np.intp]:
    """Rows of the boxes (n, 4) that greedy non-maximum suppression selects, best first.

    A box is left out if its IoU, or another measure, with a better selected box is above `limit`.
    """
    order = np.argsort(-scores, kind="stable")
    selected = [order[:0]]
    while order.size:
        block, order = order[:_BLOCK], order[_BLOCK:]
        overlapping = measure(boxes[block], boxes[block]) > limit
        alive = np.ones(len(block), bool)
        for row in range(len(block)):
            if alive[row]:
                alive[row + 1 :] &= ~overlapping[row, row + 1 :]
        selected.append(block[alive])
        order = order[~(measure(boxes[selected[-1]], boxes[order]) > limit).any(axis=0)]
    return np.concatenate(selected)
