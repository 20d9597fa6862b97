"""The graph of an exported detector: a network image's candidates, and of those the best."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from fkd_train.graphs.passes import with_metadata
from fkd_train.models.detector import DetectorNet

ALL = ("all_boxes", "all_scores", "all_points")
"""Outputs of the graph without suppression: (A, 4), (A,), (A, 5, 2)."""
KEPT = ("boxes", "scores", "points")
"""Outputs of the whole graph: (n, 4), (n,), (n, 5, 2)."""
MOST = 2000
"""Faces of an image at most."""


class ScoredDetector(nn.Module):
    """One image (H, W, 3) in, what each cell says of it out; scores are the logits' chances, once
    those are scaled by `slope` and moved by `intercept`."""

    def __init__(self, network: DetectorNet, slope: float = 1.0, intercept: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.slope = slope
        self.intercept = intercept

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (A, 4), scores (A,) and points (A, 5, 2)."""
        found = self.network.search_multiscale(image[None])
        chance = (found.logits[0] * self.slope + self.intercept).sigmoid()
        return found.boxes[0], chance, found.points[0]


def to_onnx(network: ScoredDetector, opset: int) -> onnx.ModelProto:
    """The graph without suppression, for images of any size."""
    from fkd_train.export.landmarks import exported_program

    height = torch.export.Dim("height", min=64)
    width = torch.export.Dim("width", min=64)
    # Sizes of no even number of cells, lest they be taken for a rule.
    example = torch.zeros(200, 264, 3, dtype=torch.uint8)
    return exported_program(network, example, ALL, {0: height, 1: width}, opset)


def with_suppression(model: onnx.ModelProto, floor: float, overlap: float) -> onnx.ModelProto:
    """The graph whose outputs are those boxes, best first, that have a score of `floor` or more and
    share no more than `overlap` (IoU) with a better one."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    constants: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "first_axis": np.array([0], np.int64),
        "first_axes": np.array([0, 1], np.int64),
        "most": np.array([MOST], np.int64),
        "overlap": np.array([overlap], np.float32),
        "floor": np.array([floor], np.float32),
        "third": np.array(2, np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["all_boxes", "first_axis"], ["batched_boxes"]),
        helper.make_node("Unsqueeze", ["all_scores", "first_axes"], ["batched_scores"]),
        helper.make_node(
            "NonMaxSuppression",
            ["batched_boxes", "batched_scores", "most", "overlap", "floor"],
            ["selected"],
        ),
        # Rows of image, class and box.
        helper.make_node("Gather", ["selected", "third"], ["rows"], axis=1),
    ]
    nodes += [
        helper.make_node("Gather", [every, "rows"], [kept], axis=0)
        for every, kept in zip(ALL, KEPT, strict=True)
    ]
    graph = whole.graph
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())
    del graph.output[:]
    shapes: list[list[int | str]] = [["faces", 4], ["faces"], ["faces", 5, 2]]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(KEPT, shapes, strict=True)
    )
    onnx.checker.check_model(whole, full_check=True)
    return with_metadata(whole, model)
