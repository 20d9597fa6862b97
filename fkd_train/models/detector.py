"""fkd-detector: an anchor-free single-shot face detector, similar to YuNet.

Each cell of three feature maps, with strides of 8, 16 and 32 pixels, predicts whether it sees a
face, and the face's box and five points (Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023).
Inputs and outputs are in image pixels, so that training, export and runtime agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fkd_train.models.layers import conv_norm, conv_norm_relu

STRIDES = (8, 16, 32)
"""Pixels between the cells of each map."""
CELL_CHANNELS = 1 + 4 + 10
"""Outputs of a cell: a logit, a box, and five points."""
_INITIAL_WIDTH = 4.0
"""Width of a predicted face before training, in strides of its map."""
_INITIAL_LOGIT = -4.6
"""Logit of a face before training: a probability of 1 %."""
_MIN_COARSE_SIDE = 32.0
"""Smallest longer side of boxes detected in the downscaled image, in its pixels."""
_SUPPRESSED_LOGIT = -20.0
"""Logit of a prediction that is discarded."""


@dataclass(frozen=True)
class DetectorSpec:
    """Everything the network is built from.

    A stem with `stem` channels at half the resolution, then four stages that each halve it again,
    with `depths[i]` convolutions of `widths[i]` channels; those of the last stage are depthwise
    separable. The image is also searched downscaled by `coarser`, for faces too large for the
    network's receptive field.
    """

    stem: int
    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    coarser: int = 3


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
        for number, (width, depth) in enumerate(zip(spec.widths, spec.depths, strict=True)):
            is_last = number == len(spec.widths) - 1
            block = _separable_convolution if is_last else _full_convolution
            blocks = [block(inputs, width, 2), *(block(width, width, 1) for _ in range(depth - 1))]
            self.stages.append(nn.Sequential(*blocks))
            inputs = width
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
        """Predictions for images uint8 (N, H, W, 3) at their own resolution."""
        return self._search(_planes(images))

    def search_multiscale(self, images: Tensor) -> CellPredictions:
        """Predictions at the images' own resolution and, for large faces, downscaled."""
        planes, factor = _planes(images), self.spec.coarser
        fine = self._search(planes)
        # Repeating edges keeps the last columns and rows in the average.
        padded = functional.pad(planes, (0, factor - 1, 0, factor - 1), mode="replicate")
        coarse = self._search(functional.avg_pool2d(padded, factor))
        # Pixel 0 of the coarse image lies in the middle of the first `factor` pixels.
        offset = (factor - 1) / 2
        # Small faces are detected better at full resolution.
        is_small = (coarse.boxes[..., 2:] - coarse.boxes[..., :2]).amax(-1) < _MIN_COARSE_SIDE
        logits = coarse.logits.masked_fill(is_small, _SUPPRESSED_LOGIT)
        return CellPredictions(
            torch.cat([fine.boxes, coarse.boxes * factor + offset], 1),
            torch.cat([fine.logits, logits], 1),
            torch.cat([fine.points, coarse.points * factor + offset], 1),
        )

    def _search(self, planes: Tensor) -> CellPredictions:
        features = self.stem(planes / self.input_scale)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        levels = zip(self.heads, self.neck(maps[1:]), STRIDES, strict=True)
        per_map = [_decode(head(level).float(), stride) for head, level, stride in levels]
        return CellPredictions(*(torch.cat(parts, 1) for parts in zip(*per_map, strict=True)))


def _planes(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float()


def _decode(outputs: Tensor, stride: int) -> CellPredictions:
    """Predictions of one map (N, 15, h, w).

    Its channels are a logit, the box centre relative to the cell, the logarithms of the box's
    sides, and the points relative to the cell.
    """
    centres = map_cell_centres(outputs.shape[2], outputs.shape[3], stride, outputs)
    cells = outputs.flatten(2).transpose(1, 2)
    box_centre = centres + cells[..., 1:3] * stride
    half = cells[..., 3:5].clamp(max=4.0).exp() * (stride * _INITIAL_WIDTH / 2)
    offsets = cells[..., 5:].reshape(cells.shape[0], -1, 5, 2) * (stride * _INITIAL_WIDTH / 2)
    points = centres[:, None] + offsets
    boxes = torch.cat([box_centre - half, box_centre + half], -1)
    return CellPredictions(boxes, cells[..., 0], points)


def map_cell_centres(height: int, width: int, stride: int, like: Tensor) -> Tensor:
    """Centres (h · w, 2) of the cells of one map, in pixels, on the device of `like`."""
    x = torch.arange(width, device=like.device, dtype=torch.float32) * stride
    y = torch.arange(height, device=like.device, dtype=torch.float32) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)


def cell_centres(size: int, like: Tensor) -> Tensor:
    """Centres (A, 2) of all cells for a square image, in the order of `DetectorNet`'s output."""
    cells = [-(-size // stride) for stride in STRIDES]
    maps = zip(cells, STRIDES, strict=True)
    return torch.cat([map_cell_centres(count, count, stride, like) for count, stride in maps])
