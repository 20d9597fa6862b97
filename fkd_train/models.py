"""The networks. Each takes the runtime's crop (uint8) and answers in its pixels.

Scaling of the input and de-normalisation of the points are part of the module, so the
exported graph, training and evaluation can only agree about them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from fkd_infer.errors import RecipeError


@dataclass(frozen=True)
class ModelSpec:
    """What a network is built from; `unit` and `offset` (crop pixels) normalise its points."""

    name: str
    size: int
    unit: float
    offset: float
    channels: int = 1
    points: int = 68


class LandmarkNet(nn.Module):
    """Border of every network: uint8 crops in, points in crop pixels out."""

    def __init__(self, spec: ModelSpec, body: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.body = body

    def forward(self, image: Tensor) -> Tensor:
        """Points float32 (N, n, 2) for crops uint8 (N, S, S, C)."""
        planes = image.permute(0, 3, 1, 2).float() / 255
        normalised = self.body(planes).float().reshape(-1, self.spec.points, 2)
        points: Tensor = normalised * self.spec.unit + self.spec.offset
        return points


def _convolution(
    inputs: int, outputs: int, kernel: int, activation: Callable[[], nn.Module]
) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), activation(), nn.MaxPool2d(2)]


def _flat_features(convolutions: nn.Module, spec: ModelSpec) -> int:
    """Length of the flattened feature map for the spec's input size."""
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


def naimishnet(spec: ModelSpec) -> nn.Module:
    """NaimishNet as the original program has it; 20.0 M weights at 224 px."""
    widths = [spec.channels, 32, 64, 128, 256, 512]
    kernels = [5, 3, 3, 3, 1]
    convolutions = nn.Sequential(
        *(
            layer
            for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True)
            for layer in _convolution(inputs, outputs, kernel, nn.ReLU)
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
                *_convolution(inputs, outputs, kernels[depth], nn.ELU),
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


BODIES: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "naimishnet": naimishnet,
    "naimishnet-paper": naimishnet_paper,
}


def build(spec: ModelSpec) -> LandmarkNet:
    """The network that a spec describes, freshly initialised from torch's generator.

    Raises RecipeError for an unknown name or an input too small for the convolutions.
    """
    if spec.name not in BODIES:
        raise RecipeError(spec.name, f"no such network; there are: {', '.join(BODIES)}")
    try:
        return LandmarkNet(spec, BODIES[spec.name](spec))
    except RuntimeError as error:
        raise RecipeError(spec.name, f"input size {spec.size} is too small for it") from error
