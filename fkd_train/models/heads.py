"""Heads: from a trunk's feature maps, the finest first, to normalised points (N, n, 2).

To add one: write a class with the constructor and `forward` of `Regression`, and add a row to
`HEADS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fkd_train.errors import NetworkError
from fkd_train.models.layers import conv_norm
from fkd_train.models.spec import ModelSpec


class MapShape(NamedTuple):
    """A feature map of the complete crop: its channels, and its cells along a side."""

    channels: int
    cells: int

    def __str__(self) -> str:
        return f"{self.cells} × {self.cells} cells"


class Regression(nn.Module):
    """Direct regression: one dense layer on the last map, reduced to 32 channels.

    `maps` are the shapes of the trunk's maps.
    """

    def __init__(self, spec: ModelSpec, maps: Sequence[MapShape]) -> None:
        super().__init__()
        self.points = spec.points
        channels, cells = maps[-1]
        squeezed = 32
        self.layers = nn.Sequential(
            *conv_norm(channels, squeezed, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(squeezed * cells * cells, 2 * spec.points),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        flat: Tensor = self.layers(maps[-1])
        return flat.reshape(-1, self.points, 2)


class SimCC(nn.Module):
    """Coordinate classification (Li et al., ECCV 2022): a distribution over bins for x and y.

    Decoded by its expectation, so that it is trained on point errors like the other heads.
    Bins extend a tenth of the crop beyond its borders.
    """

    def __init__(self, spec: ModelSpec, maps: Sequence[MapShape]) -> None:
        super().__init__()
        self.bins = spec.size
        channels, cells = maps[-1]
        self.maps = nn.Conv2d(channels, spec.points, 1)
        self.classify = nn.Linear(cells * cells, 2 * self.bins)
        self.places: Tensor
        extent = 1.2 * spec.size / spec.unit
        self.register_buffer("places", extent * _cell_centres(self.bins), persistent=False)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        logits = self.classify(self.maps(maps[-1]).flatten(2)).unflatten(2, (2, self.bins))
        points: Tensor = (logits.float().softmax(-1) * self.places).sum(-1)
        return points


class Heatmap(nn.Module):
    """Integral heatmaps (Sun et al., ECCV 2018) on the last map but one, with the last one added.

    Of a single map, it uses that alone. Cells extend a tenth of the crop beyond its borders, where
    points may lie.
    """

    def __init__(self, spec: ModelSpec, maps: Sequence[MapShape]) -> None:
        super().__init__()
        finer, coarser = maps[-2:] if len(maps) > 1 else (maps[0], maps[0])
        ratio, rest = divmod(finer.cells, coarser.cells)
        if rest:
            problem = f"its last two maps have {finer} and {coarser}"
            fix = "the head heatmap needs a whole ratio: use another size, or another head"
            raise NetworkError(spec.name, problem, fix)
        self.coarser = nn.Conv2d(coarser.channels, spec.points, 1)
        self.finer = nn.Conv2d(finer.channels, spec.points, 1) if len(maps) > 1 else None
        self.up = nn.Upsample(scale_factor=ratio, mode="nearest") if ratio > 1 else nn.Identity()
        self.places: Tensor
        places = _grid_centres(finer.cells, 1.2 * spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        heat = self.up(self.coarser(maps[-1]))
        if self.finer is not None:
            heat = self.finer(maps[-2]) + heat
        weights = heat.float().flatten(2).softmax(-1)[:, None]
        points: Tensor = (weights * self.places).sum(-1)
        return points.transpose(1, 2)


class GridVotes(nn.Module):
    """A grid of cells that each vote for every point, similar to PIPNet (Jin et al., IJCV 2021).

    Each cell predicts a confidence and the point's offset from the cell's centre. PIPNet uses the
    best cell and its neighbours' predictions for nearby points; here all cells vote, weighted by a
    softmax, which is smooth, trains end to end and needs no search at inference.
    """

    def __init__(self, spec: ModelSpec, maps: Sequence[MapShape]) -> None:
        super().__init__()
        self.points = spec.points
        channels, cells = maps[-1]
        self.votes = nn.Conv2d(channels, 3 * spec.points, 1)
        self.places: Tensor
        places = _grid_centres(cells, spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        votes = self.votes(maps[-1]).float().flatten(2).unflatten(1, (3, self.points))
        weights = votes[:, :1].softmax(-1)
        points: Tensor = (weights * (votes[:, 1:] + self.places)).sum(-1)
        return points.transpose(1, 2)


HEADS: dict[str, Callable[[ModelSpec, Sequence[MapShape]], nn.Module]] = {
    "regression": Regression,
    "simcc": SimCC,
    "heatmap": Heatmap,
    "grid": GridVotes,
}
"""Heads by their names in recipes."""


def _cell_centres(cells: int) -> Tensor:
    """Centres (cells,) of equal cells, from -0.5 to 0.5 across the crop."""
    return (torch.arange(cells) + 0.5) / cells - 0.5


def _grid_centres(cells: int, extent: float) -> Tensor:
    """Centres (1, 2, 1, cells²) of the cells of a square grid that is `extent` units wide."""
    centres = extent * _cell_centres(cells)
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"))
    return grid.reshape(1, 2, 1, -1)
