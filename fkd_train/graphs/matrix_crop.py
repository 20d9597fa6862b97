"""The crops of `fkd_infer.geometry.crop` as products with two matrices, for images of one size.

The mean of a block of pixels is rows × image × columns; of a single pixel too, where a crop is not
averaged first. The entries of both matrices are closed expressions of a square, which need neither
loops nor shapes that depend on values. All is float32: where
a position falls between two of OpenCV's samples, it may get the other one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from fkd_infer.choices import Border
from fkd_infer.geometry.rules import CropRule
from fkd_infer.models.cards.landmark import InputSpec
from fkd_train.graphs.builder import Nodes
from fkd_train.graphs.crop import FINE, FIXED_POINT, LUMA, PARTS, apply_rule

_ONE, _HALF = np.float32(1), np.float32(0.5)
_AXES = np.array([-1, 1, 1])


@dataclass(frozen=True)
class Crops:
    """Names of the values of n crops: their pixels (n, S, S, C), whole numbers in float32, the
    distance of their pixels in the image (n, 1), and the position of the first ones (n, 2)."""

    pixels: str
    step: str
    origin: str


@dataclass(frozen=True)
class Picture:
    """Planes (b, H, W) of b images as float32, as the network sees them, and their size."""

    planes: tuple[str, ...]
    height: int
    width: int


def picture(nodes: Nodes, image: str, height: int, width: int, channels: int) -> Picture:
    """Splits an image (H, W, 3) uint8, or a batch of them (b, H, W, 3), into its colours, or its
    luma."""
    pixels = nodes("Reshape", image, np.array([-1, 3]))
    colours = nodes("Cast", pixels, to=TensorProto.FLOAT)
    columns = nodes.several(3, "Split", colours, axis=1, num_outputs=3)
    # Before any arithmetic, which takes ten times as long in a column.
    shape = np.array([-1, height, width])
    planes = [nodes("Reshape", column, shape) for column in columns]
    if channels == 1:
        # A product of matrices would round the weights to 10 bits on a GPU.
        blue, green, red = (
            nodes("Mul", plane, weight) for plane, weight in zip(planes, LUMA[:, 0], strict=True)
        )
        weighted = nodes("Add", nodes("Add", blue, green), nodes("Add", red, np.float32(1 << 14)))
        planes = [nodes("Floor", nodes("Mul", weighted, np.float32(1 / (1 << 15))))]
    return Picture(tuple(planes), height, width)


def crops(
    nodes: Nodes, image: Picture, boxes: str, count: int, rule: CropRule, spec: InputSpec
) -> Crops:
    """Cuts the network's inputs for boxes of points (b * count, 4), `count` in each image."""
    size = spec.size
    centre, side = apply_rule(nodes, boxes, rule)
    step = nodes("Mul", side, np.float32(1 / size))
    reach = nodes("Mul", step, np.float32((size - 1) / 2))
    factor = nodes("Max", nodes("Floor", step), _ONE)
    centres = nodes.several(2, "Split", centre, axis=1, num_outputs=2)
    lengths = (image.width, image.height)
    columns, rows = (
        _axis(nodes, _Grid(middle, reach, step, factor, size), length, rule.border, is_column)
        for middle, length, is_column in zip(centres, lengths, (True, False), strict=True)
    )
    area = nodes("Mul", columns.ratio, rows.ratio)
    share = nodes("Reshape", nodes("Div", _ONE, area), _AXES)
    is_two = nodes("Reshape", nodes("Equal", area, np.float32(4)), _AXES)
    row_blocks = nodes("Reshape", rows.blocks, np.array([-1, 2 * count * size, image.height]))
    column_blocks = nodes("Transpose", columns.blocks, perm=[0, 2, 1])
    planes = []
    for plane in image.planes:
        lines = nodes("MatMul", row_blocks, plane)
        lines = nodes("Reshape", lines, np.array([-1, 2 * size, image.width]))
        means = nodes("Mul", nodes("MatMul", lines, column_blocks), share)
        # OpenCV averages 2 × 2 pixels in integers, rounding halves up.
        half_up = nodes("Floor", nodes("Add", means, _HALF))
        means = nodes("Where", is_two, half_up, nodes("Round", means))
        cut = _interpolated(nodes, _interpolated(nodes, means, rows, 1), columns, 2)
        whole = nodes("Floor", nodes("Add", cut, _HALF)) if FIXED_POINT else nodes("Round", cut)
        planes.append(nodes("Reshape", whole, np.array([-1, size, size, 1])))
    pixels = planes[0] if len(planes) == 1 else nodes("Concat", *planes, axis=3)
    return Crops(pixels, step, nodes("Sub", centre, reach))


def to_image(nodes: Nodes, points: str, crops: Crops) -> str:
    """Maps points (n, k, 2) of crops to pixels of their images."""
    step = nodes("Reshape", crops.step, np.array([-1, 1, 1]))
    origin = nodes("Reshape", crops.origin, np.array([-1, 1, 2]))
    return nodes("Add", nodes("Mul", points, step), origin)


@dataclass(frozen=True)
class _Grid:
    """Where crops sample an axis of the image: `size` positions, `step` (n, 1) apart, up to `reach`
    (n, 1) on both sides of `middle` (n, 1), in the means of `factor` (n, 1) pixels."""

    middle: str
    reach: str
    step: str
    factor: str
    size: int


@dataclass(frozen=True)
class _Axis:
    """Names of what leads from an axis of the image to that of n crops.

    `blocks` (n, 2 S, length) is 1 for the pixels of the blocks before and, in the second half,
    after each position, `shares` their weights (n, S), `ratio` (n, 1) the pixels of a block.
    """

    blocks: str
    shares: tuple[str, str]
    ratio: str


def _axis(nodes: Nodes, grid: _Grid, length: int, border: Border, is_column: bool) -> _Axis:
    first, ratio, last = _blocks(nodes, grid, length)
    half = nodes("Mul", nodes("Sub", ratio, _ONE), _HALF)
    # In this order, the differences of large numbers are exact.
    from_first = nodes("Sub", nodes("Sub", grid.middle, first), grid.reach)
    start = nodes("Div", nodes("Sub", from_first, half), ratio)
    positions = _positions(nodes, start, nodes("Div", grid.step, ratio), grid.size, is_column)
    before = nodes("Floor", positions)
    share = nodes("Sub", positions, before)
    sides = (before, nodes("Sub", _ONE, share)), (nodes("Add", before, _ONE), share)
    numbers, shares = [], []
    for number, weight in sides:
        inside = nodes("Min", nodes("Max", number, np.float32(0)), last)
        if border == "black":
            is_inside = nodes("Equal", inside, number)
            weight = nodes("Mul", weight, nodes("Cast", is_inside, to=TensorProto.FLOAT))
        numbers.append(inside)
        shares.append(weight)
    start = nodes("Add", first, nodes("Mul", nodes("Concat", *numbers, axis=1), ratio))
    end = nodes("Add", start, ratio)
    start, end = (nodes("Unsqueeze", each, np.array([2])) for each in (start, end))
    pixels = np.arange(length, dtype=np.float32)[None, None]
    overlap = nodes("Sub", nodes("Min", end, pixels + _ONE), nodes("Max", start, pixels))
    return _Axis(nodes("Relu", overlap), (shares[0], shares[1]), ratio)


def _blocks(nodes: Nodes, grid: _Grid, length: int) -> tuple[str, str, str]:
    """Returns the first pixel (n, 1) of the blocks, the pixels in each, and the last one's number.

    As `_region` of `crop.py` chooses them.
    """
    zero, limit = np.float32(0), np.float32(length)
    beyond = nodes("Add", grid.reach, nodes("Mul", grid.step, _HALF))
    start, end = (nodes(sign, grid.middle, beyond) for sign in ("Sub", "Add"))
    low = nodes("Max", nodes("Sub", nodes("Floor", start), _ONE), zero)
    low = nodes("Min", low, np.float32(length - 1))
    high = nodes("Add", nodes("Ceil", end), np.float32(2))
    high = nodes("Min", nodes("Max", high, nodes("Add", low, _ONE)), limit)
    blocks = nodes("Ceil", nodes("Div", nodes("Sub", high, low), grid.factor))
    wanted = nodes("Mul", blocks, grid.factor)
    high = nodes("Min", nodes("Add", low, wanted), limit)
    first = nodes("Max", nodes("Sub", high, wanted), zero)
    pixels = nodes("Sub", high, first)
    blocks = nodes("Max", nodes("Round", nodes("Div", pixels, grid.factor)), _ONE)
    return first, nodes("Div", pixels, blocks), nodes("Sub", blocks, _ONE)


def _positions(nodes: Nodes, start: str, stride: str, count: int, is_column: bool) -> str:
    """Returns sampled positions (n, count), `stride` (n, 1) apart, as `_positions` of `crop.py`."""
    numbers = np.arange(count, dtype=np.float32)[None]
    later = nodes("Mul", stride, numbers)
    if not FIXED_POINT:
        return nodes("Add", start, later)
    first, later = (nodes("Mul", each, np.float32(FINE)) for each in (start, later))
    if is_column:
        fine = nodes("Add", nodes("Round", first), nodes("Round", later))
    else:
        fine = nodes("Round", nodes("Add", first, later))
    parts = nodes("Mul", nodes("Add", fine, np.float32(FINE / PARTS / 2)), np.float32(PARTS / FINE))
    return nodes("Mul", nodes("Floor", parts), np.float32(1 / PARTS))


def _interpolated(nodes: Nodes, means: str, axis: _Axis, number: int) -> str:
    """Interpolates means of blocks along an axis of 2 S, to S."""
    halves = nodes.several(2, "Split", means, axis=number, num_outputs=2)
    shares = [nodes("Unsqueeze", each, np.array([3 - number])) for each in axis.shares]
    pairs = zip(halves, shares, strict=True)
    return nodes("Add", *(nodes("Mul", *pair) for pair in pairs))
