"""Layers that several networks share."""

from __future__ import annotations

from torch import nn


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias, then batch normalisation (Ioffe & Szegedy, ICML 2015)."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """The same, followed by a ReLU."""
    return nn.Sequential(*conv_norm(inputs, outputs, kernel, stride), nn.ReLU())
