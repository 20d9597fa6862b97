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
    """Selects `count` boxes (count, 4) and their scores (count, 1), best first.

    From boxes (length, 4) and scores (1, length); no two selected boxes have an IoU
    above `overlap`. Where there are fewer, the scores of the last ones are 0.
    """
    sides = _columns(nodes, nodes("Transpose", boxes, perm=[1, 0]), axis=0)
    area = _area(nodes, sides)
    chosen_boxes, chosen_scores = [], []
    for _ in range(count):
        best = nodes("ReduceMax", scores, np.array([1]), keepdims=1)
        box = nodes("MatMul", _first_equal(nodes, scores, best, length), boxes)
        chosen_boxes.append(box)
        chosen_scores.append(best)
        own = _columns(nodes, box, axis=1)
        low = [nodes("Max", *pair) for pair in zip(sides[:2], own[:2], strict=True)]
        high = [nodes("Min", *pair) for pair in zip(sides[2:], own[2:], strict=True)]
        shared = _area(nodes, [*low, *high])
        union = nodes("Sub", nodes("Add", area, _area(nodes, own)), shared)
        apart = nodes("LessOrEqual", shared, nodes("Mul", union, np.float32(overlap)))
        scores = nodes("Mul", scores, nodes("Cast", apart, to=TensorProto.FLOAT))
    return nodes("Concat", *chosen_boxes, axis=0), nodes("Concat", *chosen_scores, axis=0)


def _first_equal(nodes: Nodes, values: str, value: str, length: int) -> str:
    """Returns 1 for the first of values (1, length) that equals a value, 0 for the others.

    ArgMax and Gather would do the same, but the second time OpenCV 4.14 gathers a wrong row.
    """
    numbers = np.arange(length, dtype=np.float32)[None]
    equal = nodes("Equal", values, value)
    places = nodes("Where", equal, numbers, np.full((1, length), length, np.float32))
    first = nodes("ReduceMin", places, np.array([1]), keepdims=1)
    return nodes("Cast", nodes("Equal", numbers, first), to=TensorProto.FLOAT)


def _columns(nodes: Nodes, values: str, axis: int) -> list[str]:
    return nodes.several(4, "Split", values, axis=axis, num_outputs=4)


def _area(nodes: Nodes, sides: list[str]) -> str:
    """The area between x0, y0, x1 and y1, 0 if there is none."""
    width = nodes("Relu", nodes("Sub", sides[2], sides[0]))
    return nodes("Mul", width, nodes("Relu", nodes("Sub", sides[3], sides[1])))
