"""How the annotators of each data set place points differently.

Data sets disagree about single points, such as the upper end of the nose. And mirroring training
images hides a systematic shift from a network: the annotators of 300-W and YouTube Faces place all
points about one percent of the interocular distance too far right, and a network that sees every
face mirrored as often as not can only learn the mean. Offsets beside the network learn both; those
of one data set are part of the exported file.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conventions(nn.Module):
    """Offsets (count, n, 2) of data sets, in the network's normalised units.

    `mirror` (n,) is the scheme's flip permutation. `shipped` is the data set whose offsets are used
    outside of training; of its own, only the part that mirroring reverses is learned, since the
    network learns the rest.
    """

    def __init__(self, count: int, mirror: tuple[int, ...], shipped: int) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.zeros(count, len(mirror), 2))
        self.shipped = shipped
        # No buffers: an average of weights would average them too.
        self.mirror = list(mirror)

    def offsets(self) -> Tensor:
        """The offsets (count, n, 2) of all data sets."""
        reversed_part = (self.free - self._mirrored(self.free)) / 2
        is_shipped = torch.arange(len(self.free), device=self.free.device) == self.shipped
        return torch.where(is_shipped[:, None, None], reversed_part, self.free)

    def forward(self, data_sets: Tensor | None = None, mirrored: Tensor | None = None) -> Tensor:
        """The offsets (N, n, 2) of crops of these data sets (N,), of which some are `mirrored`
        (N,); or those (n, 2) of the shipped data set."""
        offsets = self.offsets()
        if data_sets is None or mirrored is None:
            return offsets[self.shipped]
        chosen = torch.stack([offsets, self._mirrored(offsets)])
        return chosen[mirrored.long(), data_sets]

    def _mirrored(self, offsets: Tensor) -> Tensor:
        return offsets[:, self.mirror] * offsets.new_tensor([-1.0, 1.0])
