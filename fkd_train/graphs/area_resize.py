"""What cv2.resize does with INTER_AREA, as a graph: every pixel is the mean of what it covers.

Rows that a wanted one covers are added one after the other, as OpenCV does: a product of matrices
would add in another order, and the rounding of float32 sums would show in the points of large
faces (0.2 px of 400).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, TensorProto

from fkd_train.graphs.builder import Nodes, Value, typed

_FLOAT, _DOUBLE, _INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
_SLIVER = 1e-3
"""Part of a pixel that OpenCV leaves out of a mean."""


def averaging(prefix: str, planes: str, size: str, small: str) -> GraphProto:
    """A branch of planes (C, h, w) averaged to the `small` size, each (width, height)."""
    nodes = Nodes(prefix)
    ratio = nodes("Div", size, small)
    # Whole pixels are added up and divided once, as OpenCV does: these sums are exact.
    whole = _all_equal(nodes, ratio, nodes("Round", ratio))
    unit = nodes("Where", whole, np.float64(1), ratio)
    for axis in (0, 1):
        sides = [nodes("Gather", each, np.array(axis)) for each in (size, small, ratio, unit)]
        # Columns first. Rows lie together in memory, and are what is quickly gathered.
        planes = nodes("Transpose", planes, perm=[0, 2, 1])
        planes = _mean_rows(nodes, planes, sides, axis)
    area = nodes("Cast", nodes("ReduceProd", nodes("Div", ratio, unit), keepdims=0), to=_FLOAT)
    mean = nodes("Mul", planes, nodes("Div", np.float32(1), area))
    # Two by two it averages in integers, and rounds halves up.
    up = nodes("Floor", nodes("Add", mean, np.float32(0.5)))
    twice = _all_equal(nodes, ratio, np.float64(2))
    rounded = nodes("Where", twice, up, nodes("Round", mean))
    return nodes.graph([], [typed(rounded, _FLOAT, None)])


def _all_equal(nodes: Nodes, one: Value, other: Value) -> str:
    off = nodes("ReduceMax", nodes("Abs", nodes("Sub", one, other)), keepdims=0)
    return nodes("Equal", off, np.float64(0))


def _mean_rows(nodes: Nodes, planes: str, sides: Sequence[str], number: int) -> str:
    """Planes (C, h, w) with as many rows as wanted, each the mean of all that it covers.

    `sides` are the rows that there are, those wanted, how many of the ones another covers, and what
    that is divided by.
    """
    length, count, ratio, unit = sides
    start = nodes("Mul", nodes("Range", np.float64(0), count, np.float64(1)), ratio)
    end = nodes("Add", start, ratio)
    taps = nodes("Cast", nodes("Add", nodes("Ceil", ratio), np.float64(1)), to=_INT64)
    rows = nodes("Shape", start)
    before, after = (nodes("Shape", planes, start=axis, end=axis + 1) for axis in (0, 2))
    none = nodes("Expand", np.float32(0), nodes("Concat", before, rows, after, axis=0))
    body = _add_row(f"{nodes.prefix}_{number}", planes, (start, end), length, unit)
    return nodes("Loop", taps, "", none, body=body)


def _add_row(
    prefix: str, planes: str, edges: tuple[str, str], length: str, unit: str
) -> GraphProto:
    """The body of a loop that adds what each wanted row has of one more of those it covers."""
    nodes = Nodes(prefix)
    tap, going = typed(f"{prefix}_tap", _INT64, []), typed(f"{prefix}_going", TensorProto.BOOL, [])
    so_far = typed(f"{prefix}_so_far", _FLOAT, ["channels", "rows", "columns"])
    start, end = edges
    row = nodes("Add", nodes("Floor", start), nodes("Cast", tap.name, to=_DOUBLE))
    last = nodes("Min", end, nodes("Add", row, np.float64(1)))
    shared = nodes("Sub", last, nodes("Max", start, row))
    share = nodes("Cast", nodes("Div", shared, unit), to=_FLOAT)
    counts = nodes("Greater", shared, np.float64(_SLIVER))
    share = nodes("Where", counts, share, np.float32(0))
    inside = nodes("Min", row, nodes("Sub", length, np.float64(1)))
    taken = nodes("Gather", planes, nodes("Cast", inside, to=_INT64), axis=1)
    part = nodes("Mul", taken, nodes("Unsqueeze", share, np.array([1])))
    more = typed(nodes("Add", so_far.name, part), _FLOAT, ["channels", "rows", "columns"])
    still = typed(nodes("Identity", going.name), TensorProto.BOOL, [])
    return nodes.graph([tap, going, so_far], [still, more])
