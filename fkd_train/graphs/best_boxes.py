"""The best boxes of an image after non-maximum suppression, as plain arithmetic.

Greedy suppression, as the operator NonMaxSuppression does it, unrolled for a fixed number of boxes:
OpenCV 4 has no such operator, and no shape that depends on values.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from fkd_train.graphs.builder import Nodes


def best_boxes(
    nodes: Nodes, boxes: str, scores: str, length: int, count: int, overlap: float
) -> tuple[str, str]:
    """Selects for each of b images `count` boxes (b, count, 4) and their scores (b, count), best
    first.

    From boxes (b, length, 4) and scores (b, length); no two selected boxes of an image have an IoU
    above `overlap`. Where there are fewer, the scores of the last ones are 0.
    """
    columns = nodes.several(4, "Split", boxes, axis=2, num_outputs=4)
    sides = [nodes("Reshape", column, np.array([-1, length])) for column in columns]
    area = _area(nodes, sides)
    chosen_boxes, chosen_scores = [], []
    for _ in range(count):
        best = nodes("ReduceMax", scores, np.array([1]), keepdims=1)
        chosen = _first_equal(nodes, scores, best, length)
        own = [_sum(nodes, nodes("Mul", chosen, side)) for side in sides]
        box = nodes("Concat", *own, axis=1)
        chosen_boxes.append(nodes("Reshape", box, np.array([-1, 1, 4])))
        chosen_scores.append(best)
        low = [nodes("Max", *pair) for pair in zip(sides[:2], own[:2], strict=True)]
        high = [nodes("Min", *pair) for pair in zip(sides[2:], own[2:], strict=True)]
        shared = _area(nodes, [*low, *high])
        union = nodes("Sub", nodes("Add", area, _area(nodes, own)), shared)
        apart = nodes("LessOrEqual", shared, nodes("Mul", union, np.float32(overlap)))
        scores = nodes("Mul", scores, nodes("Cast", apart, to=TensorProto.FLOAT))
    return nodes("Concat", *chosen_boxes, axis=1), nodes("Concat", *chosen_scores, axis=1)


def _first_equal(nodes: Nodes, values: str, value: str, length: int) -> str:
    """Returns 1 for the first of values (b, length) that equals a value (b, 1), 0 for the others.

    ArgMax and Gather would do the same, but the second time OpenCV 4.14 gathers a wrong row.
    """
    numbers = np.arange(length, dtype=np.float32)[None]
    equal = nodes("Equal", values, value)
    places = nodes("Where", equal, numbers, np.full((1, length), length, np.float32))
    first = nodes("ReduceMin", places, np.array([1]), keepdims=1)
    return nodes("Cast", nodes("Equal", numbers, first), to=TensorProto.FLOAT)


def _sum(nodes: Nodes, values: str) -> str:
    """The sum of each row. A product of matrices would round coordinates to 10 bits on a GPU."""
    return nodes("ReduceSum", values, np.array([1]), keepdims=1)


def _area(nodes: Nodes, sides: list[str]) -> str:
    """The area between x0, y0, x1 and y1, 0 if there is none."""
    width = nodes("Relu", nodes("Sub", sides[2], sides[0]))
    return nodes("Mul", width, nodes("Relu", nodes("Sub", sides[3], sides[1])))
