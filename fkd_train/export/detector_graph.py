"""The graph of an exported detector: candidates of all cells, then non-maximum suppression."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from fkd_train.export.torch_to_onnx import torch_to_onnx
from fkd_train.graphs.passes import with_metadata
from fkd_train.models.detector import POINT_UNIT, STRIDES, DetectorNet, decode_boxes

CANDIDATE_OUTPUTS = ("all_boxes", "all_scores", "all_offsets", "all_places")
"""Outputs of the graph without suppression: (A, 4), (A,), (A, 10), (A, 4). Points are placed only
in the boxes that are kept, see `decode_points`."""
OUTPUTS = ("boxes", "scores", "points")
"""Outputs of the complete graph: (n, 4), (n,), (n, 5, 2)."""
MAX_FACES = 2000


class ScoredDetector(nn.Module):
    """A detector of one image (H, W, 3) whose scores are calibrated probabilities.

    The score is the sigmoid of the logit, scaled by `slope` and shifted by `intercept`.
    """

    def __init__(self, network: DetectorNet, slope: float = 1.0, intercept: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.slope = slope
        self.intercept = intercept

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns boxes (A, 4), scores (A,), offsets of points (A, 10) and places (A, 4)."""
        cells = self.network.cells(image[None])
        boxes, logits = decode_boxes(cells)
        scores = (logits[0] * self.slope + self.intercept).sigmoid()
        return boxes[0], scores, cells.outputs[0, :, 5:], cells.places


def to_onnx(network: ScoredDetector, opset: int) -> onnx.ModelProto:
    """Exports the graph without suppression, for images of any size."""
    height = torch.export.Dim("height", min=64)
    width = torch.export.Dim("width", min=64)
    # The exporter takes a side of one cell for a constant, and so is one of several cells if the
    # image's side is a multiple of them.
    side = 2 * STRIDES[-1] * network.network.spec.factors[-1]
    example = torch.zeros(side + 136, side + 200, 3, dtype=torch.uint8)
    return torch_to_onnx(network, example, CANDIDATE_OUTPUTS, {0: height, 1: width}, opset)


def with_suppression(model: onnx.ModelProto, floor: float, overlap: float) -> onnx.ModelProto:
    """Appends non-maximum suppression.

    Outputs, best first, the boxes with a score of at least `floor` whose IoU with every better box
    is at most `overlap`.
    """
    suppressed = onnx.ModelProto()
    suppressed.CopyFrom(model)
    graph = suppressed.graph
    graph.node.extend(_suppression_nodes())
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in _constants(floor, overlap).items()
    )
    del graph.output[:]
    shapes: list[list[int | str]] = [["faces", 4], ["faces"], ["faces", 5, 2]]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(OUTPUTS, shapes, strict=True)
    )
    onnx.checker.check_model(suppressed, full_check=True)
    return with_metadata(suppressed, model)


def _constants(
    floor: float, overlap: float
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return {
        "first_axis": np.array([0], np.int64),
        "first_axes": np.array([0, 1], np.int64),
        "most": np.array([MAX_FACES], np.int64),
        "overlap": np.array([overlap], np.float32),
        "floor": np.array([floor], np.float32),
        "third": np.array(2, np.int64),
        "point_shape": np.array([-1, 5, 2], np.int64),
        "point_unit": np.array(POINT_UNIT, np.float32),
        "place_shape": np.array([-1, 1, 4], np.int64),
        "place_parts": np.array([2, 1, 1], np.int64),
    }


def _suppression_nodes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Unsqueeze", ["all_boxes", "first_axis"], ["batched_boxes"]),
        helper.make_node("Unsqueeze", ["all_scores", "first_axes"], ["batched_scores"]),
        helper.make_node(
            "NonMaxSuppression",
            ["batched_boxes", "batched_scores", "most", "overlap", "floor"],
            ["selected"],
        ),
        # Each selected row is an image, a class and a box.
        helper.make_node("Gather", ["selected", "third"], ["rows"], axis=1),
        helper.make_node("Gather", ["all_boxes", "rows"], ["boxes"], axis=0),
        helper.make_node("Gather", ["all_scores", "rows"], ["scores"], axis=0),
        *_point_nodes(),
    ]


def _point_nodes() -> list[onnx.NodeProto]:
    """The points of the selected rows, as `decode_points` computes them."""
    return [
        helper.make_node("Gather", ["all_offsets", "rows"], ["kept_offsets"], axis=0),
        helper.make_node("Gather", ["all_places", "rows"], ["kept_places"], axis=0),
        helper.make_node("Reshape", ["kept_offsets", "point_shape"], ["offsets"]),
        helper.make_node("Reshape", ["kept_places", "place_shape"], ["places"]),
        helper.make_node("Split", ["places", "place_parts"], ["place", "unit", "factor"], axis=2),
        helper.make_node("Mul", ["unit", "point_unit"], ["pixels"]),
        helper.make_node("Mul", ["offsets", "pixels"], ["moved"]),
        helper.make_node("Add", ["place", "moved"], ["points"]),
    ]
