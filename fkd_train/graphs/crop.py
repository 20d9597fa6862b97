"""The crops of `fkd_infer.geometry.crop`, for upright faces, as nodes of a graph.

The arithmetic is the runtime's and the installed OpenCV's: boxes in float32, positions in float64,
luma in 15 bits, colours rounded after each step, and for OpenCV 4, samples at multiples of 1/32 px.
With ONNX Runtime on an x86 CPU, crops equal OpenCV 4's bit for bit. OpenCV 5 uses float32 with
fused multiply-add: about one pixel in a thousand differs by one level.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from fkd_infer.choices import Border
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.models.cards.landmark import InputSpec
from fkd_train.graphs.area_resize import area_average
from fkd_train.graphs.builder import Nodes, typed

_FLOAT, _DOUBLE, _INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
LUMA = np.array([[3735], [19235], [9798]], np.float32)
"""Weights of blue, green and red in units of 2^-15; sums of products are exact in float32."""
FIXED_POINT = int(cv2.__version__.partition(".")[0]) < 5
"""Whether the installed OpenCV samples at multiples of 1/32 px, as 4 does; 5 samples anywhere."""
FINE, PARTS = 1024, 32
"""Units of a pixel in which OpenCV 4 computes positions, and at which it samples."""


@dataclass(frozen=True)
class Cropped:
    """Names of a crop's values: its pixels (1, S, S, C) uint8, the distance of its pixels in the
    image (1,), and the position of the first one (2,), both float64."""

    pixels: str
    step: str
    origin: str


def square(nodes: Nodes, box: str, rule: BoxRule) -> str:
    """Applies a rule to boxes (…, 4); returns the squares (…, 4)."""
    centre, side = apply_rule(nodes, box, rule)
    half = nodes("Mul", side, np.float32(0.5))
    return nodes("Concat", nodes("Sub", centre, half), nodes("Add", centre, half), axis=-1)


def crop(nodes: Nodes, image: str, box: str, rule: CropRule, spec: InputSpec) -> Cropped:
    """Cuts the network's input for a box of points (4,) out of an image (H, W, 3) uint8."""
    step, origin = _sampling_grid(nodes, box, rule, spec.size)
    factor = nodes("Max", nodes("Floor", step), np.float64(1))
    low, high = _region(nodes, image, step, origin, spec.size, factor)
    size = nodes("Sub", high, low)
    small = nodes("Max", nodes("Round", nodes("Div", size, factor)), np.float64(1))
    planes = _planes(nodes, image, low, high, spec.channels)
    planes = _averaged(nodes, planes, factor, size, small)
    ratio = nodes("Div", size, small)
    # The centre of the first averaged pixel is (ratio - 1) / 2 from the centre of the first pixel.
    half = nodes("Mul", nodes("Sub", ratio, np.float64(1)), np.float64(0.5))
    start = nodes("Div", nodes("Sub", nodes("Sub", origin, low), half), ratio)
    x, y = _positions(nodes, start, nodes("Div", step, ratio), spec.size)
    width, height = nodes.several(2, "Split", small, axis=0, num_outputs=2)
    planes = _interpolated(nodes, planes, y, height, rule.border, axis=1)
    planes = _interpolated(nodes, planes, x, width, rule.border, axis=2)
    colours = nodes("Cast", _rounded(nodes, planes), to=TensorProto.UINT8)
    pixels = nodes("Transpose", colours, perm=[1, 2, 0])
    return Cropped(nodes("Unsqueeze", pixels, np.array([0])), step, origin)


def to_image(nodes: Nodes, points: str, cropped: Cropped) -> str:
    """Maps points (1, k, 2) of a crop to pixels of the image (k, 2)."""
    points = nodes("Cast", nodes("Squeeze", points, np.array([0])), to=_DOUBLE)
    moved = nodes("Add", nodes("Mul", points, cropped.step), cropped.origin)
    return nodes("Cast", moved, to=_FLOAT)


def apply_rule(nodes: Nodes, box: str, rule: BoxRule | CropRule) -> tuple[str, str]:
    """Returns the centres (…, 2) and sides (…, 1) of a rule's squares for boxes (…, 4)."""
    low, high = nodes.several(2, "Split", box, axis=-1, num_outputs=2)
    longer = nodes("ReduceMax", nodes("Sub", high, low), np.array([-1]), keepdims=1)
    middle = nodes("Mul", nodes("Add", low, high), np.float32(0.5))
    shift = nodes("Mul", longer, np.array(rule.shift, np.float32))
    return nodes("Add", middle, shift), nodes("Mul", longer, np.float32(rule.scale))


def _sampling_grid(nodes: Nodes, box: str, rule: CropRule, size: int) -> tuple[str, str]:
    """Returns the distance of crop pixels in the image (1,), and the position of the first (2,)."""
    centre, side = (nodes("Cast", value, to=_DOUBLE) for value in apply_rule(nodes, box, rule))
    step = nodes("Div", side, np.float64(size))
    reach = nodes("Mul", step, np.float64((size - 1) / 2))
    return step, nodes("Sub", centre, reach)


def _region(
    nodes: Nodes, image: str, step: str, origin: str, crop_size: int, factor: str
) -> tuple[str, str]:
    """Returns the first and the end corner (2,) of the region that the crop can touch.

    Where the image has room, its sides are multiples of `factor`.
    """
    shape = nodes("Cast", nodes("Shape", image, start=0, end=2), to=_DOUBLE)
    limit = nodes("Gather", shape, np.array([1, 0]), axis=0)
    edges = [
        nodes("Add", origin, nodes("Mul", step, np.float64(edge)))
        for edge in (-0.5, crop_size - 0.5)
    ]
    first, last = (nodes("Cast", nodes("Cast", each, to=_FLOAT), to=_DOUBLE) for each in edges)
    low = nodes("Max", nodes("Sub", nodes("Floor", first), np.float64(1)), np.float64(0))
    low = nodes("Min", low, nodes("Sub", limit, np.float64(1)))
    high = nodes("Add", nodes("Ceil", last), np.float64(2))
    high = nodes("Min", nodes("Max", high, nodes("Add", low, np.float64(1))), limit)
    blocks = nodes("Ceil", nodes("Div", nodes("Sub", high, low), factor))
    size = nodes("Mul", blocks, factor)
    high = nodes("Min", nodes("Add", low, size), limit)
    return nodes("Max", nodes("Sub", high, size), np.float64(0)), high


def _planes(nodes: Nodes, image: str, low: str, high: str, channels: int) -> str:
    """Cuts out the region's colour or luma planes (C, h, w), float32."""
    ends = [nodes("Cast", edge, to=_INT64) for edge in (low, high)]
    first, end = (nodes("Gather", each, np.array([1, 0]), axis=0) for each in ends)
    part = nodes("Slice", image, first, end, np.array([0, 1]))
    colours = nodes("Cast", part, to=_FLOAT)
    if channels == 1:
        weighted = nodes("Add", nodes("MatMul", colours, LUMA), np.float32(1 << 14))
        colours = nodes("Floor", nodes("Mul", weighted, np.float32(1 / (1 << 15))))
    return nodes("Transpose", colours, perm=[2, 0, 1])


def _averaged(nodes: Nodes, planes: str, factor: str, size: str, small: str) -> str:
    """Averages planes (C, h, w) to the `small` size if the crop would undersample them."""
    needed = nodes("Squeeze", nodes("Greater", factor, np.float64(1)), np.array([0]))
    unchanged = Nodes(f"{nodes.prefix}_kept")
    return nodes(
        "If",
        needed,
        then_branch=area_average(f"{nodes.prefix}_averaged", planes, size, small),
        else_branch=unchanged.graph([], [typed(unchanged("Identity", planes), _FLOAT, None)]),
    )


def _positions(nodes: Nodes, start: str, stride: str, count: int) -> tuple[str, str]:
    """Returns sampled columns (S,) and rows (S,), starting at `start` (2,), `stride` (2,) apart."""
    numbers = np.arange(count, dtype=np.float64)
    starts, strides = (nodes.several(2, "Split", each, num_outputs=2) for each in (start, stride))
    offsets = [nodes("Mul", each, numbers) for each in strides]
    if not FIXED_POINT:
        x, y = (nodes("Add", *pair) for pair in zip(starts, offsets, strict=True))
        return x, y
    fine = np.float64(FINE)
    firsts, laters = ([nodes("Mul", one, fine) for one in part] for part in (starts, offsets))
    # OpenCV rounds the two terms of a column separately, and the sum of a row's.
    column = nodes("Add", nodes("Round", firsts[0]), nodes("Round", laters[0]))
    row = nodes("Round", nodes("Add", firsts[1], laters[1]))
    return _sample_points(nodes, column), _sample_points(nodes, row)


def _sample_points(nodes: Nodes, positions: str) -> str:
    """Rounds positions to OpenCV 4's sample points, in pixels."""
    middle = nodes("Add", positions, np.float64(FINE / PARTS / 2))
    parts = nodes("Floor", nodes("Mul", middle, np.float64(PARTS / FINE)))
    return nodes("Mul", parts, np.float64(1 / PARTS))


def _rounded(nodes: Nodes, planes: str) -> str:
    """Rounds colours as OpenCV does: 4 rounds halves up, 5 to even."""
    if FIXED_POINT:
        return nodes("Floor", nodes("Add", planes, np.float32(0.5)))
    return nodes("Round", planes)


def _interpolated(
    nodes: Nodes, planes: str, positions: str, size: str, border: Border, *, axis: int
) -> str:
    """Interpolates planes (C, h, w) linearly at positions (S,) along an axis."""
    last = nodes("Sub", size, np.float64(1))
    before = nodes("Floor", positions)
    share = nodes("Sub", positions, before)
    shares = nodes("Sub", np.float64(1), share), share
    parts = []
    for index, weight in zip((before, nodes("Add", before, np.float64(1))), shares, strict=True):
        clamped = nodes("Min", nodes("Max", index, np.float64(0)), last)
        if border == "black":
            is_inside = nodes("Cast", nodes("Equal", clamped, index), to=_DOUBLE)
            weight = nodes("Mul", weight, is_inside)
        values = nodes("Gather", planes, nodes("Cast", clamped, to=_INT64), axis=axis)
        factor = nodes("Reshape", nodes("Cast", weight, to=_FLOAT), _along(axis))
        parts.append(nodes("Mul", values, factor))
    return nodes("Add", *parts)


def _along(axis: int) -> NDArray[np.int64]:
    return np.array([-1, 1] if axis == 1 else [-1], np.int64)
