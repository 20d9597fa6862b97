"""Losses on normalised point errors (N, n, 2); each returns the mean over points and coordinates.

To add one: write its function and a row in `LOSSES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor], Tensor]


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


LOSSES: dict[str, Callable[[float, float], Loss]] = {
    "mse": lambda _width, _curvature: mse,
    "smooth_l1": lambda width, _curvature: partial(smooth_l1, width=width),
    "wing": lambda width, curvature: partial(wing, width=width, curvature=curvature),
}
"""Losses by their names in recipes, from a recipe's `width` and `curvature`."""


def build_loss(name: str, width: float, curvature: float) -> Loss:
    """Builds the loss that a recipe names."""
    return LOSSES[name](width, curvature)
