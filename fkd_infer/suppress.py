"""Of boxes that are of one face, the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fkd_infer.crop import Floats


def overlaps(first: Floats, second: Floats) -> Floats:
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


def suppress(boxes: Floats, scores: NDArray[np.float32], limit: float) -> NDArray[np.intp]:
    """Rows of boxes (n, 4) that are kept, best first: greedy non-maximum suppression. One whose
    IoU with a better one is above the limit is left out."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        kept.append(int(order[0]))
        close = overlaps(boxes[order[:1]], boxes[order[1:]])[0]
        order = order[1:][close <= limit]
    return np.array(kept, np.intp)
