"""fkd-detector: an anchor-free single-shot face detector, similar to YuNet.

Each cell of three feature maps, with strides of 8, 16 and 32 pixels, predicts whether it sees a
face, and the face's box and five points (Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023).
The same network searches a pyramid of ever smaller images, for faces of every size. Inputs and
outputs are in image pixels, so that training, export and runtime agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from fkd_train.models.layers import conv_norm, conv_norm_relu

STRIDES = (8, 16, 32)
"""Pixels between the cells of each map."""
CELL_CHANNELS = 1 + 4 + 10
"""Outputs of a cell: a logit, a box, and five points."""
_INITIAL_WIDTH = 4.0
"""Width of a predicted face before training, in strides of its map."""
POINT_UNIT = _INITIAL_WIDTH / 2
"""Unit of the outputs for points, in units of their cells."""
_INITIAL_LOGIT = -4.6
"""Logit of a face before training: a probability of 1 %."""
_MIN_COARSE_SIDE = 24.0
"""Smallest longer side of boxes detected in a downscaled image, in its pixels."""
_SUPPRESSED_LOGIT = -20.0
"""Logit of a prediction that is discarded."""


@dataclass(frozen=True)
class DetectorSpec:
    """Everything the network is built from.

    A stem with `stem` channels at half the resolution, then four stages that each halve it again,
    with `depths[i]` convolutions of `widths[i]` channels. The first `full[i]` of them are full
    convolutions and the others depthwise separable; None: all are full, except in the last stage.
    The image is searched in a pyramid of `levels` images, each smaller by `coarser` than the one
    before, for faces too large for the network's receptive field.
    """

    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    coarser: int = 3
    levels: int = 2
    full: tuple[int, int, int, int] | None = None

    @property
    def factors(self) -> tuple[int, ...]:
        """How much smaller than the image each level of the pyramid is."""
        return tuple(self.coarser**level for level in range(self.levels))


class Cells(NamedTuple):
    """What the A cells of N images output, and where they are.

    `outputs` (N, A, 15) are a logit, the box centre relative to the cell, the logarithms of the
    box's sides, and five points relative to the cell. `places` (A, 4) are the centre of each cell,
    the unit of its outputs, and how much smaller its level of the pyramid is; all in pixels of the
    images.
    """

    outputs: Tensor
    places: Tensor


class CellPredictions(NamedTuple):
    """Predictions of all A cells for N images, in pixels: boxes (N, A, 4) xyxy, logits of a face
    (N, A), and five points (N, A, 5, 2)."""

    boxes: Tensor
    logits: Tensor
    points: Tensor


def _full_convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    return conv_norm_relu(inputs, outputs, stride=stride)


def _separable_convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """A depthwise and a pointwise convolution (Howard et al., MobileNets, 2017)."""
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    norm = nn.BatchNorm2d(inputs)
    return nn.Sequential(depthwise, norm, nn.ReLU(), *conv_norm(inputs, outputs, 1), nn.ReLU())


class _Neck(nn.Module):
    """Feature pyramid: adds coarser maps to finer ones (Lin et al., FPN, CVPR 2017)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        width = widths[0]
        self.fit = nn.ModuleList(conv_norm_relu(inputs, width, 1) for inputs in widths)
        self.mix = nn.ModuleList(
            nn.Sequential(
                _separable_convolution(width, width), _separable_convolution(width, width)
            )
            for _ in widths
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        above: Tensor | None = None
        mixed: list[Tensor] = []
        for fit, mix, features in reversed(list(zip(self.fit, self.mix, maps, strict=True))):
            level = fit(features)
            if above is not None:
                # A map with an odd side has one cell less than twice the coarser one.
                upsampled = functional.interpolate(above, scale_factor=2.0, mode="nearest")
                level = level + upsampled[:, :, : level.shape[2], : level.shape[3]]
            above = mix(level)
            mixed.append(above)
        return mixed[::-1]


class DetectorNet(nn.Module):
    """BGR images of any size in, predictions of all cells out, in pixels of the images."""

    def __init__(self, spec: DetectorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = _full_convolution(3, spec.stem, 2)
        self.stages = nn.ModuleList()
        inputs = spec.stem
        full = spec.full or (*spec.depths[:-1], 0)
        for width, depth, count in zip(spec.widths, spec.depths, full, strict=True):
            blocks = []
            for number in range(depth):
                block = _full_convolution if number < count else _separable_convolution
                blocks.append(block(inputs, width, 1 if number else 2))
                inputs = width
            self.stages.append(nn.Sequential(*blocks))
        self.neck = _Neck(spec.widths[1:])
        self.heads = nn.ModuleList(nn.Conv2d(spec.widths[1], CELL_CHANNELS, 1) for _ in STRIDES)
        for head in self.heads:
            nn.init.constant_(head.bias[:1], _INITIAL_LOGIT)  # type: ignore[index]
        self.input_scale = 255.0

    @torch.no_grad()
    def fold_input_scale(self) -> None:
        """Divides the first weights by the input scale, permanently; the scale becomes 1."""
        convolution = self.stem[0]  # type: ignore[index]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight /= self.input_scale
        self.input_scale = 1.0

    def forward(self, images: Tensor) -> CellPredictions:
        """Predictions at all levels of the pyramid for images uint8 (N, H, W, 3)."""
        cells = self.cells(images)
        boxes, logits = decode_boxes(cells)
        return CellPredictions(boxes, logits, decode_points(cells.outputs[..., 5:], cells.places))

    def cells(self, images: Tensor) -> Cells:
        """Outputs at all levels of the pyramid for images uint8 (N, H, W, 3)."""
        planes = images.permute(0, 3, 1, 2).float()
        outputs, places = [], []
        for factor in self.spec.factors:
            if factor > 1:
                size = self.spec.coarser
                planes = functional.avg_pool2d(
                    planes, size, ceil_mode=True, count_include_pad=False
                )
            with self._running_statistics() if factor > 1 else nullcontext():
                maps = self._search(planes)
            for cells, stride in zip(maps, STRIDES, strict=True):
                height, width = cells.shape[2:]
                places.append(cell_places(height, width, stride, factor, cells.device))
                outputs.append(cells.flatten(2).transpose(1, 2))
        return Cells(torch.cat(outputs, 1).float(), torch.cat(places))

    @contextmanager
    def _running_statistics(self) -> Iterator[None]:
        """Normalises with the running statistics, which are those of full images, as at inference.

        Own statistics of the smaller images would train another network than the one that runs.
        """
        norms = [module for module in self.modules() if isinstance(module, _BatchNorm)]
        active = [norm for norm in norms if norm.training]
        for norm in active:
            norm.training = False
        try:
            yield
        finally:
            for norm in active:
                norm.training = True

    def _search(self, planes: Tensor) -> list[Tensor]:
        """Outputs (N, 15, h, w) of the three maps of one level."""
        features = self.stem(planes / self.input_scale)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return [head(level) for head, level in zip(self.heads, self.neck(maps[1:]), strict=True)]


def decode_boxes(cells: Cells) -> tuple[Tensor, Tensor]:
    """Boxes (N, A, 4) xyxy in pixels, and logits of a face (N, A)."""
    outputs, (place, unit, factor) = cells.outputs, torch.split(cells.places, [2, 1, 1], -1)
    centres = place + outputs[..., 1:3] * unit
    half = outputs[..., 3:5].clamp(max=4.0).exp() * (unit * _INITIAL_WIDTH / 2)
    # Small faces are detected better at a finer level.
    smallest = torch.where(factor > 1, factor * (_MIN_COARSE_SIDE / 2), 0.0).squeeze(-1)
    logits = outputs[..., 0].masked_fill(half.amax(-1) < smallest, _SUPPRESSED_LOGIT)
    return torch.cat([centres - half, centres + half], -1), logits


def decode_points(offsets: Tensor, places: Tensor) -> Tensor:
    """Points (..., 5, 2) in pixels, from the last ten outputs (..., 10) of cells at `places`."""
    place, unit, _ = torch.split(places, [2, 1, 1], -1)
    moved = torch.unflatten(offsets, -1, (5, 2)) * (unit * POINT_UNIT)[..., None]
    return place[..., None, :] + moved


def cell_places(
    height: int, width: int, stride: int, factor: int, device: torch.device | str = "cpu"
) -> Tensor:
    """The places (h · w, 4) of the cells of one map; see `Cells`."""
    # Pixel 0 of a smaller image lies in the middle of the first `factor` pixels.
    step, offset = stride * factor, (factor - 1) / 2
    x = torch.arange(width, device=device, dtype=torch.float32) * step + offset
    y = torch.arange(height, device=device, dtype=torch.float32) * step + offset
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    # Not expand(): the exporter gets the product of two unknown sides wrong.
    units = 0 * centres + centres.new_tensor([step, factor])
    return torch.cat([centres, units], 1)


def cell_centres(size: int, factors: tuple[int, ...], like: Tensor) -> Tensor:
    """Centres (A, 2) of all cells for a square image, in the order of `DetectorNet`'s output."""
    places = []
    for factor in factors:
        for stride in STRIDES:
            count = math.ceil(size / (factor * stride))
            places.append(cell_places(count, count, stride, factor, like.device))
    return torch.cat(places)[:, :2]
