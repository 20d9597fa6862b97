"""The trunk of fkdnet: small convolutions, whose maps the heads read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from fkd_train.models.layers import conv_norm, conv_norm_relu
from fkd_train.models.spec import ModelSpec, TrunkSpec


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


def fkdnet_trunk(spec: ModelSpec) -> nn.Module:
    """The trunk of a spec."""
    assert spec.trunk is not None
    return Trunk(spec.trunk, spec.channels)
