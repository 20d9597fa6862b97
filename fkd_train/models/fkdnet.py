"""fkdnet: a convolutional trunk, a head for the points, and dense layers for score and spread."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from fkd_train.models.heads import HEADS
from fkd_train.models.layers import conv_norm, conv_norm_relu
from fkd_train.models.refinement import LocalRefinement
from fkd_train.models.spec import ModelSpec, TrunkSpec


class BodyOutput(NamedTuple):
    """Normalised points (N, n, 2), the score's logits (N, 1), and logarithms of the points'
    normalised spread (N, n); None for what a network does not have."""

    points: Tensor
    score: Tensor | None = None
    spread: Tensor | None = None


def plain_block(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Convolution, batch normalisation, ReLU."""
    return conv_norm_relu(inputs, outputs, stride=stride)


class ResidualBlock(nn.Module):
    """Basic block of He et al., CVPR 2016, figure 5 left."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm(inputs, outputs, stride=stride), nn.ReLU(), *conv_norm(outputs, outputs)
        )
        self.fit: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.fit = nn.Sequential(*conv_norm(inputs, outputs, 1, stride))

    def forward(self, features: Tensor) -> Tensor:
        """ReLU of the branch plus the shortcut."""
        added: Tensor = self.fit(features) + self.branch(features)
        return added.relu()


BLOCKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "plain": plain_block,
    "residual": ResidualBlock,
}
"""Blocks of the trunk by their names in recipes."""


class Context(nn.Module):
    """Adds a coarser view of a map to it: two convolutions at half its resolution, enlarged.

    Without it, a cell of fkdnet sees a part of the face only.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv_norm_relu(channels, inner, stride=2),
            conv_norm_relu(inner, inner),
            *conv_norm(inner, channels, 1),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )

    def forward(self, features: Tensor) -> Tensor:
        """ReLU of the map (N, C, H, W) plus its coarser view; H and W have to be even."""
        added: Tensor = features + self.branch(features)
        return added.relu()


class Trunk(nn.Module):
    """The convolutions of fkdnet; returns the maps of all stages, finest first."""

    def __init__(self, spec: TrunkSpec, channels: int) -> None:
        super().__init__()
        self.stem = conv_norm_relu(channels, spec.stem, stride=2)
        block = BLOCKS[spec.block]
        self.stages = nn.ModuleList(
            nn.Sequential(
                block(inputs, outputs, 2), *(block(outputs, outputs, 1) for _ in range(depth - 1))
            )
            for (inputs, outputs), depth in zip(
                pairwise((spec.stem, *spec.widths)), spec.depths, strict=True
            )
        )
        self.context = Context(spec.widths[-1], spec.context) if spec.context else nn.Identity()

    def forward(self, planes: Tensor) -> list[Tensor]:
        """Maps for planes (N, C, S, S), each with half the resolution of the one before."""
        features, maps = self.stem(planes), []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return [*maps[:-1], self.context(maps[-1])]


class FkdNet(nn.Module):
    """The trunk and its heads."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        assert spec.trunk is not None
        assert spec.head is not None
        widths = spec.trunk.widths
        self.trunk = Trunk(spec.trunk, spec.channels)
        cells = spec.size >> (1 + len(widths))
        self.head = HEADS[spec.head](spec, (widths[-2], widths[-1]), cells)
        finest = spec.size >> 2
        self.refine = LocalRefinement(spec, widths[0], finest) if spec.refine else None
        self.score = nn.Linear(widths[-1], 1) if spec.score else None
        self.spread = nn.Linear(widths[-1], spec.points) if spec.spread else None

    def forward(self, planes: Tensor) -> BodyOutput:
        """Points, and score and spread from the mean of the last map."""
        maps = self.trunk(planes)
        finer, coarser = maps[-2:]
        points = self.head(finer, coarser)
        if self.refine is not None:
            points = self.refine(maps[0], points)
        mean = coarser.mean((2, 3))
        score = None if self.score is None else self.score(mean)
        spread = None if self.spread is None else self.spread(mean)
        return BodyOutput(points, score, spread)
