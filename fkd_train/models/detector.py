"""fkd-detector: an anchor-free single-shot face detector of the class of YuNet.

Every cell of three maps, 8, 16 and 32 pixels apart, says whether it sees a face, and if so where
its box and five points are (Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023). What the
network sees and says is in pixels of the image, so that training, export and runtime agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fkd_train.models.landmarks import conv_norm

STRIDES = (8, 16, 32)
"""Pixels between the cells of each map."""
_TYPICAL = 4.0
"""Width of a face, in strides of the map that is to find it, before anything is learned."""
_RARE = -4.6
"""Logit of the chance of a face (1 %) before anything is learned."""
_LEAST_COARSE = 32.0
"""Longer side, in pixels of the averaged image, of boxes that are looked for there."""
_NEVER = -20.0
"""Logit of no chance at all."""
NUMBERS = 1 + 4 + 10
"""What a cell says: a logit, a box, and five points."""


@dataclass(frozen=True)
class DetectorSpec:
    """Channels of the stem, at half of the resolution, and of four stages that each halve it once
    more, with `depths[i]` convolutions; those of the last are separable. `coarser` is by how much
    the image is averaged to be searched once more, for faces too large for the network."""

    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    coarser: int = 3


class CellPredictions(NamedTuple):
    """What each of A cells says of N images, in pixels: boxes (N, A, 4) xyxy, logits of the chance
    of a face (N, A), and five points (N, A, 5, 2)."""

    boxes: Tensor
    logits: Tensor
    points: Tensor


def _plain(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(*conv_norm(inputs, outputs, stride=stride), nn.ReLU())


def _separable(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """A convolution of each channel, and one across them (Howard et al., MobileNets, 2017)."""
    deep = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    norm = nn.BatchNorm2d(inputs)
    return nn.Sequential(deep, norm, nn.ReLU(), *conv_norm(inputs, outputs, 1), nn.ReLU())


class _Neck(nn.Module):
    """What coarser maps know is added to finer ones (Lin et al., FPN, CVPR 2017)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        width = widths[0]
        self.fit = nn.ModuleList(nn.Sequential(*conv_norm(w, width, 1), nn.ReLU()) for w in widths)
        self.mix = nn.ModuleList(
            nn.Sequential(_separable(width, width), _separable(width, width)) for _ in widths
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        above: Tensor | None = None
        mixed: list[Tensor] = []
        for fit, mix, features in reversed(list(zip(self.fit, self.mix, maps, strict=True))):
            level = fit(features)
            if above is not None:
                # An odd map is one cell shorter than twice the coarser one.
                twice = functional.interpolate(above, scale_factor=2.0, mode="nearest")
                level = level + twice[:, :, : level.shape[2], : level.shape[3]]
            above = mix(level)
            mixed.append(above)
        return mixed[::-1]


class DetectorNet(nn.Module):
    """BGR images in, candidates out, in pixels of the images, whose sizes may be any."""

    def __init__(self, spec: DetectorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = _plain(3, spec.stem, 2)
        self.stages = nn.ModuleList()
        inputs = spec.stem
        for number, (width, depth) in enumerate(zip(spec.widths, spec.depths, strict=True)):
            block = _separable if number == len(spec.widths) - 1 else _plain
            blocks = [block(inputs, width, 2), *(block(width, width, 1) for _ in range(depth - 1))]
            self.stages.append(nn.Sequential(*blocks))
            inputs = width
        self.neck = _Neck(spec.widths[1:])
        self.heads = nn.ModuleList(nn.Conv2d(spec.widths[1], NUMBERS, 1) for _ in STRIDES)
        for head in self.heads:
            nn.init.constant_(head.bias[:1], _RARE)  # type: ignore[index]
        self.white = 255.0

    @torch.no_grad()
    def fold_input_scale(self) -> None:
        """Makes the division by white a part of the first weights, for good."""
        convolution = self.stem[0]  # type: ignore[index]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight /= self.white
        self.white = 1.0

    def forward(self, images: Tensor) -> CellPredictions:
        """Candidates for images uint8 (N, H, W, 3), as they are."""
        return self._search(_planes(images))

    def search_multiscale(self, images: Tensor) -> CellPredictions:
        """The same, and those of the images averaged to be coarser, where large faces are seen."""
        planes, factor = _planes(images), self.spec.coarser
        fine = self._search(planes)
        # Edges are repeated, so that the last pixels have a coarse one of their own.
        whole = functional.pad(planes, (0, factor - 1, 0, factor - 1), mode="replicate")
        coarse = self._search(functional.avg_pool2d(whole, factor))
        # The middle of the first `factor` pixels is where the coarse image has its first.
        offset = (factor - 1) / 2
        # What is small there is seen better as it is.
        small = (coarse.boxes[..., 2:] - coarse.boxes[..., :2]).amax(-1) < _LEAST_COARSE
        logits = coarse.logits.masked_fill(small, _NEVER)
        return CellPredictions(
            torch.cat([fine.boxes, coarse.boxes * factor + offset], 1),
            torch.cat([fine.logits, logits], 1),
            torch.cat([fine.points, coarse.points * factor + offset], 1),
        )

    def _search(self, planes: Tensor) -> CellPredictions:
        features = self.stem(planes / self.white)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        mixed = self.neck(maps[1:])
        levels = zip(self.heads, mixed, STRIDES, strict=True)
        found = [_decoded(head(level).float(), stride) for head, level, stride in levels]
        return CellPredictions(*(torch.cat(parts, 1) for parts in zip(*found, strict=True)))


def _planes(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float()


def _decoded(numbers: Tensor, stride: int) -> CellPredictions:
    """What the cells of one map (N, 15, h, w) say: a logit, the box's centre, from the cell, and
    logarithms of its sides, and the points, from the cell."""
    places = map_cell_centres(numbers.shape[2], numbers.shape[3], stride, numbers)
    cells = numbers.flatten(2).transpose(1, 2)
    centre = places + cells[..., 1:3] * stride
    half = cells[..., 3:5].clamp(max=4.0).exp() * (stride * _TYPICAL / 2)
    offsets = cells[..., 5:].reshape(cells.shape[0], -1, 5, 2) * (stride * _TYPICAL / 2)
    points = places[:, None] + offsets
    return CellPredictions(torch.cat([centre - half, centre + half], -1), cells[..., 0], points)


def map_cell_centres(high: int, wide: int, stride: int, like: Tensor) -> Tensor:
    """Pixels (h · w, 2) that the cells of a map are centred on."""
    x = torch.arange(wide, device=like.device, dtype=torch.float32) * stride
    y = torch.arange(high, device=like.device, dtype=torch.float32) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)


def cell_centres(size: int, like: Tensor) -> Tensor:
    """Those of all cells (A, 2) of a square image, as `DetectorNet` has them."""
    cells = [-(-size // stride) for stride in STRIDES]
    maps = zip(cells, STRIDES, strict=True)
    return torch.cat([map_cell_centres(count, count, stride, like) for count, stride in maps])
