"""A second look at each point: what the fine feature map shows around it moves it a little.

The grid's cells are an eighth of the crop wide, too coarse for the last pixel. Here each point has
its own linear map from a patch of features around its place to its offset, as in the supervised
descent method (Xiong & De la Torre, CVPR 2013). Patches are gathered at whole cells, which is far
quicker in ONNX Runtime than to interpolate them, and the map also sees where in its cell the point
is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fkd_train.models.layers import conv_norm_relu
from fkd_train.models.spec import ModelSpec

_CHANNELS = 16
"""Of the map that patches are gathered from."""
_BEFORE, _AFTER = 1, 2
"""Cells of a patch on either side of a point's cell, in both directions."""
MIN_CELLS = _BEFORE + 1 + _AFTER
"""Cells along a side of the smallest map that a patch fits into."""
_GAIN = 1 / 32
"""Keeps the offsets small while the learning rate is high."""


class LocalRefinement(nn.Module):
    """Moves points (N, n, 2) in the network's normalised units by the features around them.

    The features (N, `channels`, H, H) cover the complete crop.
    """

    def __init__(self, spec: ModelSpec, channels: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.to_cells = spec.unit * cells / spec.size, spec.offset * cells / spec.size
        self.squeeze = conv_norm_relu(channels, _CHANNELS, 1)
        side = range(-_BEFORE, _AFTER + 1)
        inputs = len(side) ** 2 * _CHANNELS + 2
        self.weight = nn.Parameter(torch.zeros(spec.points, inputs, 2))
        self.around = [y * cells + x for y in side for x in side]

    def forward(self, features: Tensor, points: Tensor) -> Tensor:
        """The moved points (N, n, 2)."""
        maps = self.squeeze(features).float().flatten(2).transpose(1, 2)
        scale, offset = self.to_cells
        places = points * scale + offset
        cells = places.detach().floor().clamp(_BEFORE, self.cells - 1 - _AFTER)
        numbers = (cells[..., 1] * self.cells + cells[..., 0]).long()
        # len() would make the batch size of an exported graph a constant.
        count = maps.shape[0]
        first = torch.arange(count, device=maps.device) * self.cells**2
        rows = numbers[..., None] + numbers.new_tensor(self.around) + first[:, None, None]
        patches = maps.flatten(0, 1).index_select(0, rows.flatten())
        patches = patches.reshape(count, points.shape[1], -1)
        inputs = torch.cat([patches, places - cells], dim=-1)
        moves = (inputs.transpose(0, 1) @ self.weight).transpose(0, 1)
        return points + _GAIN * moves
