"""Heads of fkdnet: from the trunk's last two feature maps to normalised points (N, n, 2).

To add one: write a class with the constructor and `forward` of `Direct`, and add a row to `HEADS`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fkd_train.models.layers import conv_norm
from fkd_train.models.spec import ModelSpec


class Direct(nn.Module):
    """Direct regression: one dense layer on the coarser map, reduced to 32 channels.

    `widths` are the channels of the finer and the coarser map; the coarser one has
    `cells` × `cells` cells.
    """

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
        """Points (N, n, 2) in the network's normalised units."""
        flat: Tensor = self.layers(coarser)
        return flat.reshape(-1, self.points, 2)


class SimCC(nn.Module):
    """Coordinate classification (Li et al., ECCV 2022): a distribution over bins for x and y.

    Decoded by its expectation, so that it is trained on point errors like the other heads.
    Bins extend a tenth of the crop beyond its borders.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.bins = spec.size
        self.maps = nn.Conv2d(widths[1], spec.points, 1)
        self.classify = nn.Linear(cells * cells, 2 * self.bins)
        self.places: Tensor
        extent = 1.2 * spec.size / spec.unit
        self.register_buffer("places", extent * _cell_centres(self.bins), persistent=False)

    def forward(self, _finer: Tensor, coarser: Tensor) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        logits = self.classify(self.maps(coarser).flatten(2)).unflatten(2, (2, self.bins))
        points: Tensor = (logits.float().softmax(-1) * self.places).sum(-1)
        return points


class Heatmap(nn.Module):
    """Integral heatmaps (Sun et al., ECCV 2018) on the finer map, with the coarser one added.

    Cells extend a tenth of the crop beyond its borders, where points may lie.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.coarser = nn.Conv2d(widths[1], spec.points, 1)
        self.finer = nn.Conv2d(widths[0], spec.points, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.places: Tensor
        places = _grid_centres(2 * cells, 1.2 * spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        maps = self.finer(finer) + self.up(self.coarser(coarser))
        weights = maps.float().flatten(2).softmax(-1)[:, None]
        points: Tensor = (weights * self.places).sum(-1)
        return points.transpose(1, 2)


class GridVotes(nn.Module):
    """A grid of cells that each vote for every point, similar to PIPNet (Jin et al., IJCV 2021).

    Each cell predicts a confidence and the point's offset from the cell's centre. PIPNet uses the
    best cell and its neighbours' predictions for nearby points; here all cells vote, weighted by a
    softmax, which is smooth, trains end to end and needs no search at inference.
    """

    def __init__(self, spec: ModelSpec, widths: tuple[int, int], cells: int) -> None:
        super().__init__()
        self.points = spec.points
        self.votes = nn.Conv2d(widths[1], 3 * spec.points, 1)
        self.places: Tensor
        places = _grid_centres(cells, spec.size / spec.unit)
        self.register_buffer("places", places, persistent=False)

    def forward(self, _finer: Tensor, coarser: Tensor) -> Tensor:
        """Points (N, n, 2) in the network's normalised units."""
        votes = self.votes(coarser).float().flatten(2).unflatten(1, (3, self.points))
        weights = votes[:, :1].softmax(-1)
        points: Tensor = (weights * (votes[:, 1:] + self.places)).sum(-1)
        return points.transpose(1, 2)


HEADS: dict[str, Callable[[ModelSpec, tuple[int, int], int], nn.Module]] = {
    "direct": Direct,
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
