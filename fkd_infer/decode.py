"""From a network's output to points in the frame."""

from __future__ import annotations

import numpy as np

from fkd_infer.crop import Floats, Matrix, invert, transform
from fkd_infer.errors import NonFiniteOutputError


def decode(points_crop: Floats, matrices: Matrix, model: str) -> Floats:
    """Points (n, k, 2) in frame pixels from crop pixels and the crops' matrices (n, 2, 3).

    Raises NonFiniteOutputError, naming the model, for NaN and infinity.
    """
    if not np.isfinite(points_crop).all():
        raise NonFiniteOutputError(model)
    return transform(points_crop, invert(matrices))
