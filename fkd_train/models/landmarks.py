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

from fkd_train.choices import Block, Head
from fkd_train.errors import RecipeError


@dataclass(frozen=True)
class TrunkSpec:
    """The convolutions of fkdnet: a stem of `stem` channels at half the input's resolution, then
    stages that each halve it once more, `depths[i]` blocks of `widths[i]` channels."""

    stem: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    block: Block


@dataclass(frozen=True)
class ModelSpec:
    """What a network is built from; `unit` and `offset` (crop pixels) normalise its points.

    `trunk` and `head` are fkdnet's; `score` asks for the second output.
    """

    name: str
    size: int
    unit: float
    offset: float
    channels: int = 1
    points: int = 68
    trunk: TrunkSpec | None = None
    head: Head | None = None
    score: bool = False


class LandmarkNet(nn.Module):
    """Border of every network: uint8 crops in, points in crop pixels and perhaps a score out."""

    def __init__(self, spec: ModelSpec, body: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.body = body

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(points,) or (points, score) for crops uint8 (N, S, S, C).

        Points are float32 (N, n, 2). The score, float32 (N,), is the chance from 0 to 1 that the
        crop is of a well-framed face.
        """
        planes = image.permute(0, 3, 1, 2).float() / 255
        found = self.body(planes)
        normalised, *logits = found if isinstance(found, tuple) else (found,)
        points = normalised.float().reshape(-1, self.spec.points, 2)
        points = points * self.spec.unit + self.spec.offset
        return (points, *(logit.float().flatten().sigmoid() for logit in logits))


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


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution, and batch normalisation (Ioffe & Szegedy, ICML 2015) in place of its bias."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


class _PlainBlock(nn.Sequential):
    """A convolution, normalised and rectified."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(*conv_norm(inputs, outputs, stride=stride), nn.ReLU())


class _ResidualBlock(nn.Module):
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
        added: Tensor = self.fit(features) + self.branch(features)
        return added.relu()


_BLOCKS: dict[Block, Callable[[int, int, int], nn.Module]] = {
    "plain": _PlainBlock,
    "residual": _ResidualBlock,
}


class Trunk(nn.Module):
    """The convolutions of fkdnet; answers the last two stages' maps, finer one first."""

    def __init__(self, spec: TrunkSpec, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(channels, spec.stem, stride=2), nn.ReLU())
        block = _BLOCKS[spec.block]
        self.stages = nn.ModuleList(
            nn.Sequential(
                block(inputs, outputs, 2), *(block(outputs, outputs, 1) for _ in range(depth - 1))
            )
            for (inputs, outputs), depth in zip(
                pairwise((spec.stem, *spec.widths)), spec.depths, strict=True
            )
        )

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(finer map, coarser map) for planes (N, C, S, S)."""
        maps = [self.stem(planes)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[-2], maps[-1]


def _cell_places(cells: int) -> Tensor:
    """Places (cells,) of a map's cell centres, from -0.5 to 0.5 over the crop."""
    return (torch.arange(cells) + 0.5) / cells - 0.5


def _map_places(cells: int, reach: float) -> Tensor:
    """Places (1, 2, 1, cells²) of the cells of a square map that is `reach` units wide."""
    places = reach * _cell_places(cells)
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"))
    return grid.reshape(1, 2, 1, -1)


class _Direct(nn.Module):
    """Direct regression: one dense layer on the squeezed map."""

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.points = spec.points
        squeezed = 32
        self.layers = nn.Sequential(
            *conv_norm(widths[1], squeezed, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(squeezed * cells * cells, 2 * spec.points),
        )

    def forward(self, _finer: Tensor, coarser: Tensor) -> Tensor:
        flat: Tensor = self.layers(coarser)
        return flat.reshape(-1, self.points, 2)


class _SimCC(nn.Module):
    """Coordinate classification (Li et al., ECCV 2022): a distribution over bins for x and y.

    Decoded by its expectation, so that it trains by the error of the points as the others do.
    Bins reach a tenth of the crop beyond its borders.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.bins = spec.size
        self.maps = nn.Conv2d(widths[1], spec.points, 1)
        self.classify = nn.Linear(cells * cells, 2 * self.bins)
        self.places: Tensor
        reach = 1.2 * spec.size / spec.unit
        self.register_buffer("places", reach * _cell_places(self.bins), persistent=False)

    def forward(self, _finer: Tensor, coarser: Tensor) -> Tensor:
        logits = self.classify(self.maps(coarser).flatten(2)).unflatten(2, (2, self.bins))
        points: Tensor = (logits.float().softmax(-1) * self.places).sum(-1)
        return points


class _Heatmap(nn.Module):
    """Integral heatmaps (Sun et al., ECCV 2018) on the finer map, with the coarser one added.

    Cells reach a tenth of the crop beyond its borders, where points may lie.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.coarser = nn.Conv2d(widths[1], spec.points, 1)
        self.finer = nn.Conv2d(widths[0], spec.points, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.places: Tensor
        places = _map_places(2 * cells, 1.2 * spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        maps = self.finer(finer) + self.up(self.coarser(coarser))
        weights = maps.float().flatten(2).softmax(-1)[:, None]
        points: Tensor = (weights * self.places).sum(-1)
        return points.transpose(1, 2)


class _Grid(nn.Module):
    """A grid of cells that each vote for every point, as PIPNet's (Jin et al., IJCV 2021) do.

    A cell says how much it knows of a point and where, from its own place, it is. PIPNet takes the
    best cell's word and its neighbours' for close points; here all cells vote, weighted by a
    softmax, which is smooth, trains end to end and needs no search at inference.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.points = spec.points
        self.votes = nn.Conv2d(widths[1], 3 * spec.points, 1)
        self.places: Tensor
        places = _map_places(cells, spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, _finer: Tensor, coarser: Tensor) -> Tensor:
        votes = self.votes(coarser).float().flatten(2).unflatten(1, (3, self.points))
        weights = votes[:, :1].softmax(-1)
        points: Tensor = (weights * (votes[:, 1:] + self.places)).sum(-1)
        return points.transpose(1, 2)


_HEADS: dict[Head, Callable[[ModelSpec, tuple[int, int], int], nn.Module]] = {
    "direct": _Direct,
    "simcc": _SimCC,
    "heatmap": _Heatmap,
    "grid": _Grid,
}


class FkdNet(nn.Module):
    """A trunk of convolutions, a head for the points, and perhaps one for the score."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        assert spec.trunk is not None
        assert spec.head is not None
        widths = spec.trunk.widths
        self.trunk = Trunk(spec.trunk, spec.channels)
        cells = spec.size >> (1 + len(widths))
        self.head = _HEADS[spec.head](spec, (widths[-2], widths[-1]), cells)
        self.score = nn.Linear(widths[-1], 1) if spec.score else None

    def forward(self, planes: Tensor) -> tuple[Tensor, ...]:
        """Normalised points (N, n, 2) and perhaps logits of the score (N, 1)."""
        finer, coarser = self.trunk(planes)
        points = self.head(finer, coarser)
        if self.score is None:
            return (points,)
        return points, self.score(coarser.mean((2, 3)))


NETWORKS: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "naimishnet": naimishnet,
    "naimishnet-paper": naimishnet_paper,
    "fkdnet": FkdNet,
}


def build(spec: ModelSpec) -> LandmarkNet:
    """The network that a spec describes, freshly initialised from torch's generator.

    Raises RecipeError for an unknown name or an input too small for the convolutions.
    """
    if spec.name not in NETWORKS:
        raise RecipeError(spec.name, "no such network", f"there are: {', '.join(NETWORKS)}")
    try:
        return LandmarkNet(spec, NETWORKS[spec.name](spec))
    except RuntimeError as error:
        raise RecipeError(spec.name, f"input size {spec.size} is too small for it") from error
