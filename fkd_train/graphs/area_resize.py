"""cv2.resize with INTER_AREA as a graph: the mean of the input pixels under each output pixel.

Input rows are added one after the other, as OpenCV does. A matrix product would add in another
order, and the rounding of float32 sums would move the points of large faces (0.2 px of 400).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, TensorProto

from fkd_train.graphs.builder import Nodes, Value, typed

_FLOAT, _DOUBLE, _INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
_MIN_SHARE = 1e-3
"""OpenCV ignores smaller parts of a pixel."""


def area_average(prefix: str, planes: str, size: str, small: str) -> GraphProto:
    """Builds a subgraph that averages planes (C, h, w) from `size` to `small`, (width, height)."""
    nodes = Nodes(prefix)
    ratio = nodes("Div", size, small)
    # For integer ratios OpenCV adds pixels up and divides once: these sums are exact.
    is_integer = _all_equal(nodes, ratio, nodes("Round", ratio))
    unit = nodes("Where", is_integer, np.float64(1), ratio)
    for axis in (0, 1):
        sides = [nodes("Gather", pair, np.array(axis)) for pair in (size, small, ratio, unit)]
        # Columns first, transposed to rows: rows are contiguous in memory, and quick to gather.
        planes = nodes("Transpose", planes, perm=[0, 2, 1])
        planes = _mean_rows(nodes, planes, sides, axis)
    area = nodes("Cast", nodes("ReduceProd", nodes("Div", ratio, unit), keepdims=0), to=_FLOAT)
    mean = nodes("Mul", planes, nodes("Div", np.float32(1), area))
    # OpenCV averages 2 × 2 pixels in integers, rounding halves up.
    half_up = nodes("Floor", nodes("Add", mean, np.float32(0.5)))
    is_two = _all_equal(nodes, ratio, np.float64(2))
    rounded = nodes("Where", is_two, half_up, nodes("Round", mean))
    return nodes.graph([], [typed(rounded, _FLOAT, None)])


def _all_equal(nodes: Nodes, one: Value, other: Value) -> str:
    largest = nodes("ReduceMax", nodes("Abs", nodes("Sub", one, other)), keepdims=0)
    return nodes("Equal", largest, np.float64(0))


def _mean_rows(nodes: Nodes, planes: str, sides: Sequence[str], number: int) -> str:
    """Averages the rows of planes (C, h, w).

    `sides` are the numbers of input and output rows, their ratio, and the divisor of each share.
    """
    length, count, ratio, unit = sides
    start = nodes("Mul", nodes("Range", np.float64(0), count, np.float64(1)), ratio)
    end = nodes("Add", start, ratio)
    taps = nodes("Cast", nodes("Add", nodes("Ceil", ratio), np.float64(1)), to=_INT64)
    rows = nodes("Shape", start)
    before, after = (nodes("Shape", planes, start=axis, end=axis + 1) for axis in (0, 2))
    zeros = nodes("Expand", np.float32(0), nodes("Concat", before, rows, after, axis=0))
    body = _add_row(f"{nodes.prefix}_{number}", planes, (start, end), length, unit)
    return nodes("Loop", taps, "", zeros, body=body)


def _add_row(
    prefix: str, planes: str, edges: tuple[str, str], length: str, unit: str
) -> GraphProto:
    """Builds a loop body that adds to each output row its share of its next input row."""
    nodes = Nodes(prefix)
    tap, going = typed(f"{prefix}_tap", _INT64, []), typed(f"{prefix}_going", TensorProto.BOOL, [])
    total = typed(f"{prefix}_so_far", _FLOAT, ["channels", "rows", "columns"])
    start, end = edges
    row = nodes("Add", nodes("Floor", start), nodes("Cast", tap.name, to=_DOUBLE))
    row_end = nodes("Min", end, nodes("Add", row, np.float64(1)))
    overlap = nodes("Sub", row_end, nodes("Max", start, row))
    share = nodes("Cast", nodes("Div", overlap, unit), to=_FLOAT)
    counts = nodes("Greater", overlap, np.float64(_MIN_SHARE))
    share = nodes("Where", counts, share, np.float32(0))
    clamped = nodes("Min", row, nodes("Sub", length, np.float64(1)))
    values = nodes("Gather", planes, nodes("Cast", clamped, to=_INT64), axis=1)
    part = nodes("Mul", values, nodes("Unsqueeze", share, np.array([1])))
    new_total = typed(nodes("Add", total.name, part), _FLOAT, ["channels", "rows", "columns"])
    condition = typed(nodes("Identity", going.name), TensorProto.BOOL, [])
    return nodes.graph([tap, going, total], [condition, new_total])
