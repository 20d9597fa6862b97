"""Losses on normalised point errors (N, n, 2); each returns the mean over points and coordinates.

To add one: write its function and a row in `LOSSES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor], Tensor]
Errors = TypeVar("Errors", Tensor, NDArray[np.floating])
HALF_QUALITY = 0.15
"""Error, relative to the interocular distance, at which points are half good."""


def mse(error: Tensor) -> Tensor:
    """Mean squared error."""
    return error.square().mean()


def smooth_l1(error: Tensor, width: float) -> Tensor:
    """Smooth L1 loss (Girshick, 2015): quadratic within `width`, linear beyond."""
    return functional.smooth_l1_loss(error, torch.zeros_like(error), beta=width)


def wing(error: Tensor, width: float, curvature: float) -> Tensor:
    """Wing loss (Feng et al., CVPR 2018, eq. 5): logarithmic within `width`, linear beyond."""
    size = error.abs()
    constant = width - width * math.log1p(width / curvature)
    near = width * torch.log1p(size / curvature)
    return torch.where(size < width, near, size - constant).mean()


def quality_of(error: Errors) -> Errors:
    """The quality of mean errors relative to the interocular distance: an array or a tensor."""
    return 1 / (1 + (error / HALF_QUALITY) ** 3)


def quality(
    predicted: Tensor, true: Tensor, eye_corners: tuple[int, int], weights: Tensor
) -> Tensor:
    """How good predicted points (N, n, 2) are: 1 / (1 + (e / 0.15)³) (N,), for a mean error e
    relative to the distance of the true outer eye corners. 1 is exact, 0.5 is off by 15 %. Points
    count by their weights (N, n)."""
    left, right = eye_corners
    distance = (true[:, left] - true[:, right]).norm(dim=-1)
    # With weights of 1, the factor is exactly 1.
    factor = weights.shape[1] / weights.sum(dim=-1).clamp_min(1)
    error: Tensor = ((predicted - true).norm(dim=-1) * weights).mean(dim=-1) * factor
    relative: Tensor = error / distance.clamp_min(1e-3)
    return quality_of(relative)


def spread_loss(spread: Tensor, error: Tensor) -> Tensor:
    """log s + e / s for spreads s and errors e of the same shape: the negative logarithm of an
    exponential distribution's density, lowest where s is the mean of e."""
    return spread.log() + error / spread


LOSSES: dict[str, Callable[[float, float], Loss]] = {
    "mse": lambda _width, _curvature: mse,
    "smooth_l1": lambda width, _curvature: partial(smooth_l1, width=width),
    "wing": lambda width, curvature: partial(wing, width=width, curvature=curvature),
}
"""Losses by their names in recipes, from a recipe's `width` and `curvature`."""


def build_loss(name: str, width: float, curvature: float) -> Loss:
    """Builds the loss that a recipe names."""
    return LOSSES[name](width, curvature)
