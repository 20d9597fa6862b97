"""Batch normalisation over the batch of all processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise_batch_norm(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with batch normalisation by the statistics of all processes' shares.

    Names and values of its state stay the same.
    """
    if device.type != "cpu":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = CpuSyncBatchNorm
    return network


class CpuSyncBatchNorm(_BatchNorm):
    """What torch's SyncBatchNorm, which has no code for CPUs, computes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalises the channels (dimension 1) of this process's share of a batch."""
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            normalised = self._normalised(input.float())
        return normalised.to(input.dtype)

    def _normalised(self, values: Tensor) -> Tensor:
        others = [dimension for dimension in range(values.dim()) if dimension != 1]
        shape = [1, -1] + [1] * (values.dim() - 2)
        own_count = values.new_tensor([values.numel() / values.shape[1]])
        total = _sum_over_processes(torch.cat([values.sum(others), own_count]))
        sums, count = total[:-1], total[-1]
        mean = sums / count
        centred = values - mean.reshape(shape)
        variance = _sum_over_processes(centred.square().sum(others)) / count
        self._track(mean, variance * count / (count - 1))
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return centred * scale.reshape(shape)
        return centred * (scale * self.weight).reshape(shape) + self.bias.reshape(shape)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions has been normalised by the class that this one replaces."""

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats:
            return
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance, factor)


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose losses all depend on it."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(None, gradients[0])
