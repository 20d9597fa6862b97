"""Of boxes that are of one face, the best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats

_BLOCK = 256
"""Boxes that are compared with each other at once: memory grows with its square."""


def iou(first: Floats, second: Floats) -> Floats:
    """IoU (n, m) of boxes (n, 4) and (m, 4): shared area over what both cover."""
    shared, one, two = _areas(first, second)
    return np.asarray(shared / (one + two - shared), np.float32)


def coverage(first: Floats, second: Floats) -> Floats:
    """Shared area (n, m) of boxes (n, 4) and (m, 4), over the smaller of the two."""
    shared, one, two = _areas(first, second)
    return np.asarray(shared / np.minimum(one, two), np.float32)


def _areas(first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod((high - low).clip(0), axis=-1)
    one, two = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second))
    return shared, one[:, None], two[None]


def suppress(
    boxes: Floats,
    scores: NDArray[np.float32],
    limit: float,
    measure: Callable[[Floats, Floats], Floats] = iou,
) -> NDArray[np.intp]:
    """Rows of boxes (n, 4) that are kept, best first: greedy non-maximum suppression. One whose
    IoU, or other measure, with a better one that is kept is above the limit is left out."""
    order = np.argsort(-scores, kind="stable")
    kept = [order[:0]]
    while order.size:
        block, order = order[:_BLOCK], order[_BLOCK:]
        close = measure(boxes[block], boxes[block]) > limit
        alive = np.ones(len(block), bool)
        for row in range(len(block)):
            if alive[row]:
                alive[row + 1 :] &= ~close[row, row + 1 :]
        kept.append(block[alive])
        order = order[~(measure(boxes[kept[-1]], boxes[order]) > limit).any(axis=0)]
    return np.concatenate(kept)
