"""Losses on normalised errors (N, n, 2); each answers the mean over points and coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fkd_train.config.landmarks import LossConfig

Loss = Callable[[Tensor], Tensor]


def wing(error: Tensor, width: float, curvature: float) -> Tensor:
    """Wing loss (Feng et al., CVPR 2018, eq. 5): logarithmic within `width`, linear beyond."""
    size = error.abs()
    constant = width - width * math.log1p(width / curvature)
    near = width * torch.log1p(size / curvature)
    return torch.where(size < width, near, size - constant).mean()


def smooth_l1(error: Tensor, width: float) -> Tensor:
    """Smooth L1 loss (Girshick, 2015): quadratic within `width`, linear beyond."""
    return functional.smooth_l1_loss(error, torch.zeros_like(error), beta=width)


def build_loss(config: LossConfig) -> Loss:
    """The loss that a recipe names."""
    match config.name:
        case "mse":
            return lambda error: error.square().mean()
        case "smooth_l1":
            return lambda error: smooth_l1(error, config.width)
        case "wing":
            return lambda error: wing(error, config.width, config.curvature)
