"""NaimishNet: the original program's variant, and the published network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from fkd_train.models.spec import ModelSpec


def naimishnet(spec: ModelSpec) -> nn.Module:
    """NaimishNet as in the original program; 20.0 M weights at 224 px."""
    widths = [spec.channels, 32, 64, 128, 256, 512]
    kernels = [5, 3, 3, 3, 1]
    convolutions = nn.Sequential(
        *(
            layer
            for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True)
            for layer in _conv_pool(inputs, outputs, kernel, nn.ReLU)
        )
    )
    body = nn.Sequential(
        convolutions,
        nn.Flatten(),
        nn.Linear(_flat_features(convolutions, spec), 1024),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(1024, 512),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(512, 2 * spec.points),
    )
    return body.apply(_he_normal)


def naimishnet_paper(spec: ModelSpec) -> nn.Module:
    """NaimishNet as published: Agarwal, Krohn-Grimberghe, Vyas, arXiv 1710.00977, table 2."""
    widths = [spec.channels, 32, 64, 128, 256]
    kernels = [4, 3, 2, 1]
    convolutions = nn.Sequential(
        *(
            layer
            for depth, (inputs, outputs) in enumerate(pairwise(widths))
            for layer in (
                *_conv_pool(inputs, outputs, kernels[depth], nn.ELU),
                nn.Dropout(0.1 * (depth + 1)),
            )
        )
    )
    body = nn.Sequential(
        convolutions,
        nn.Flatten(),
        nn.Linear(_flat_features(convolutions, spec), 1000),
        nn.ELU(),
        nn.Dropout(0.5),
        nn.Linear(1000, 1000),
        nn.Dropout(0.6),
        nn.Linear(1000, 2 * spec.points),
    )
    return body.apply(_glorot_uniform)


def _conv_pool(
    inputs: int, outputs: int, kernel: int, activation: Callable[[], nn.Module]
) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), activation(), nn.MaxPool2d(2)]


def _flat_features(convolutions: nn.Module, spec: ModelSpec) -> int:
    """Length of the flattened feature map at the spec's input size."""
    with torch.no_grad():
        shape = convolutions(torch.zeros(1, spec.channels, spec.size, spec.size)).shape
    return int(shape[1:].numel())


def _he_normal(module: nn.Module) -> None:
    """Kaiming He normal initialisation (He et al., 2015), biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _glorot_uniform(module: nn.Module) -> None:
    """Glorot uniform initialisation (Glorot & Bengio, 2010), biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
