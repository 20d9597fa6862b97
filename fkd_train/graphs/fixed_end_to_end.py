"""Joins a detector, the crop and a landmark network for images of one size and a number of faces.

Without loops, branches and shapes that depend on values, so that it also runs where these do not,
such as OpenCV's dnn. All faces are processed at once, those that are not there too, and so are all
images of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.graphs.batched import with_batch
from fkd_train.graphs.best_boxes import best_boxes
from fkd_train.graphs.builder import Nodes, typed, with_prefix
from fkd_train.graphs.crop import square
from fkd_train.graphs.end_to_end import FaceFilter, face_shapes, merged_opsets
from fkd_train.graphs.fixed_shapes import for_opencv, with_fixed_shapes
from fkd_train.graphs.matrix_crop import Picture, crops, picture, to_image
from fkd_train.graphs.passes import share_weights

CANDIDATES = ("all_boxes", "all_scores")
"""Values of a detector's graph: boxes (A, 4) and scores (A,) of all cells, not suppressed yet."""
_FLOAT = TensorProto.FLOAT


@dataclass(frozen=True)
class FixedSize:
    """The images' height and width, and the number of faces that are answered for each.

    `batch` is the number of images in one input (b, H, W, 3), or "dynamic" for any number; None
    for a single one (H, W, 3).
    """

    height: int
    width: int
    max_faces: int
    batch: int | Literal["dynamic"] | None = None

    @property
    def images(self) -> list[int | str]:
        """The first axis of the input and of all outputs, if there is one."""
        if self.batch is None:
            return []
        return ["images" if self.batch == "dynamic" else self.batch]


def fixed_end_to_end_graph(
    landmarks: onnx.ModelProto,
    detector: onnx.ModelProto,
    card: ModelCard,
    detector_card: DetectorCard,
    faces: FaceFilter,
    size: FixedSize,
) -> onnx.ModelProto:
    """Builds the graph from `image` (H, W, 3) to `boxes` (N, 4), `scores` (N,), `points` (N, k, 2)
    and, if the network has them, `presence` (N,) and `spread` (N, k); without metadata. With a
    batch, all of them have a first axis of images.

    The rows are the N best boxes of an image, best first. Those with a score of 0 are no faces.
    Raises NotBatchableError if the detector's graph cannot be one of a batch.
    """
    nodes = Nodes("all")
    image = typed("image", TensorProto.UINT8, [*size.images, size.height, size.width, 3])
    found = with_prefix(_candidates(detector, size), "detector_", {"image": "image"})
    nodes.include(found.graph)
    count = size.max_faces
    length = found.graph.output[0].type.tensor_type.shape.dim[-2].dim_value
    boxes, scores = best_boxes(
        nodes,
        nodes("Reshape", "detector_all_boxes", np.array([-1, length, 4])),
        nodes("Reshape", "detector_all_scores", np.array([-1, length])),
        length,
        count,
        detector_card.overlap,
    )
    boxes = nodes("Reshape", boxes, np.array([-1, 4]))
    scores = nodes("Reshape", scores, np.array([-1, 1]))
    plane = picture(nodes, "image", size.height, size.width, card.input.channels)
    network = _landmarks(landmarks, card, size)
    placed = _place_twice(nodes, plane, boxes, network, card, faces, count)
    is_face = nodes("GreaterOrEqual", scores, np.float32(faces.min_score))
    scores = nodes("Mul", scores, nodes("Cast", is_face, to=_FLOAT))
    if card.output.score:
        present = nodes("GreaterOrEqual", placed["presence"], np.float32(faces.min_presence))
        scores = nodes("Mul", scores, nodes("Cast", present, to=_FLOAT))
    outputs = []
    results = {"boxes": boxes, "scores": scores, **placed}
    for name, shape in face_shapes(card).items():
        outputs.append(typed(name, _FLOAT, [*size.images, count, *shape]))
        first = [-1] if size.images else []
        shaped = [results[name], nodes.constant(np.array([*first, count, *shape]))]
        nodes.nodes.append(helper.make_node("Reshape", shaped, [name], name))
    model = helper.make_model(
        nodes.graph([image], outputs),
        opset_imports=merged_opsets(landmarks, detector),
        ir_version=max(landmarks.ir_version, detector.ir_version),
    )
    model = share_weights(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _candidates(detector: onnx.ModelProto, size: FixedSize) -> onnx.ModelProto:
    """The detector's CANDIDATES, of an image or of a batch."""
    shape = (size.height, size.width, 3)
    fixed = with_fixed_shapes(detector, {"image": shape}, CANDIDATES)
    return with_batch(fixed, size.images[0]) if size.images else for_opencv(fixed)


def _landmarks(landmarks: onnx.ModelProto, card: ModelCard, size: FixedSize) -> onnx.ModelProto:
    """The network for the crops of an image or of a batch."""
    if size.batch == "dynamic":
        return landmarks
    shape = (size.max_faces * (size.batch or 1), *card.input.shape)
    return for_opencv(with_fixed_shapes(landmarks, {"image": shape}, card.output.names))


def _place_twice(
    nodes: Nodes,
    plane: Picture,
    boxes: str,
    network: onnx.ModelProto,
    card: ModelCard,
    faces: FaceFilter,
    count: int,
) -> dict[str, str]:
    """Places points (n, k, 2), with presence (n, 1) and spread (n, k) if the network has them, in
    boxes (n, 4) of which `count` are of one image.

    The second time in the points' own box, unless the network rejects the first crop.
    """
    first = _place(nodes, "first_", plane, square(nodes, boxes, faces.rule), network, card, count)
    edges = [
        nodes(kind, first["points"], np.array([1]), keepdims=0)
        for kind in ("ReduceMin", "ReduceMax")
    ]
    own = square(nodes, nodes("Concat", *edges, axis=1), POINTS_BOX)
    second = _place(nodes, "second_", plane, own, network, card, count)
    if not card.output.score:
        return second
    present = nodes("GreaterOrEqual", first["presence"], np.float32(faces.min_presence))
    of_points = nodes("Reshape", present, np.array([-1, 1, 1]))
    return {
        name: nodes("Where", of_points if name == "points" else present, second[name], first[name])
        for name in first
    }


def _place(
    nodes: Nodes,
    prefix: str,
    plane: Picture,
    squares: str,
    network: onnx.ModelProto,
    card: ModelCard,
    count: int,
) -> dict[str, str]:
    cut = crops(nodes, plane, squares, count, card.crop, card.input)
    pixels = nodes("Cast", cut.pixels, to=TensorProto.UINT8)
    part = with_prefix(network, prefix, {"image": pixels})
    nodes.nodes += part.graph.node
    nodes.constants += part.graph.initializer
    points = to_image(nodes, f"{prefix}points", cut)
    placed = {"points": points}
    if card.output.score:
        placed["presence"] = nodes("Reshape", f"{prefix}score", np.array([-1, 1]))
    if card.output.spread:
        placed["spread"] = nodes("Mul", f"{prefix}spread", cut.step)
    return placed
