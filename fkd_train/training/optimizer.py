"""Optimisers, learning rate schedules, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fkd_train.config.sections import OptimizerConfig


def build_optimizer(
    network: nn.Module, config: OptimizerConfig, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """Builds the optimiser of a recipe, and its schedule over all steps of a run."""
    optimizer = _OPTIMIZERS[config.name](
        network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    return optimizer, _SCHEDULES[config.schedule](optimizer, config, steps)


_Tensors = tuple[Tensor, ...] | list[Tensor]


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """A copy whose weights are an exponential moving average of the network's.

    After n steps the decay is (1 + n) / (10 + n) at most, so that short runs are not left with a
    share of the initial weights.
    """

    def update(averages: _Tensors, weights: _Tensors, count: Tensor | int) -> None:
        steps = int(count)
        usable = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(usable)(averages, weights, count)  # type: ignore[no-untyped-call]

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def _constant(optimizer: Optimizer, _config: OptimizerConfig, _steps: int) -> LRScheduler:
    return LambdaLR(optimizer, lambda _step: 1.0)


def _one_cycle(optimizer: Optimizer, config: OptimizerConfig, steps: int) -> LRScheduler:
    # OneCycleLR divides by the number of warm-up steps minus one, and by that of the others.
    total = max(3, steps)
    warm_up = max(config.warm_up, 2 / total)
    return OneCycleLR(optimizer, config.lr, total_steps=total, pct_start=warm_up)


_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
_SCHEDULES: dict[str, Callable[[Optimizer, OptimizerConfig, int], LRScheduler]] = {
    "constant": _constant,
    "one_cycle": _one_cycle,
}
