"""Joins a detector, the crop and a landmark network to one graph that equals the pipeline.

A loop processes one face at a time, so that memory does not grow with the number of faces. Its body
is a loop of two passes: it places the points in the detector's box, then again in the points' own
box, unless the network rejects the first crop. Both passes share the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.utils import Extractor

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.graphs.builder import Nodes, Value, typed, with_prefix
from fkd_train.graphs.crop import crop, square, to_image

_FLOAT, _BOOL, _INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
_EDGES = ("ReduceMin", "ReduceMax")
_PASSES = 2


@dataclass(frozen=True)
class FaceFilter:
    """The faces to output: those with at least this detector score and, if the landmark network has
    a score, this presence. `rule` maps the detector's boxes to the points'."""

    rule: BoxRule
    min_score: float
    min_presence: float


def end_to_end_graph(
    landmarks: onnx.ModelProto, card: ModelCard, detector: onnx.ModelProto, faces: FaceFilter
) -> onnx.ModelProto:
    """Builds the graph from `image` (H, W, 3) to `boxes`, `scores`, `points` and, if the network
    has a score, `presence`; without metadata."""
    nodes = Nodes("all")
    nodes.include(with_prefix(detector, "detector_", {"image": "image"}).graph)
    boxes, scores = _select_boxes(nodes, "detector_boxes", "detector_scores", faces.min_score)
    points, *presence = _place_points(nodes, boxes, landmarks, card, faces)
    results: list[str] = [boxes, scores, points, *presence]
    if presence:
        present = nodes("GreaterOrEqual", presence[0], np.float32(faces.min_presence))
        results = [nodes("Compress", result, present, axis=0) for result in results]
    names = ["boxes", "scores", "points", "presence"][: len(results)]
    for name, result in zip(names, results, strict=True):
        nodes.nodes.append(helper.make_node("Identity", [result], [name], name))
    shapes: list[list[int | str]] = [[4], [], [card.landmarks.count, 2], []]
    outputs = [
        typed(name, _FLOAT, ["faces", *shape]) for name, shape in zip(names, shapes, strict=False)
    ]
    image = typed("image", TensorProto.UINT8, ["height", "width", 3])
    model = helper.make_model(
        nodes.graph([image], outputs),
        opset_imports=merged_opsets(landmarks, detector),
        ir_version=max(landmarks.ir_version, detector.ir_version),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def merged_opsets(*models: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """Merges the operator sets of all models, which were exported with the same versions."""
    versions: dict[str, int] = {}
    for opset in (opset for model in models for opset in model.opset_import):
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    return [helper.make_opsetid(domain, version) for domain, version in versions.items()]


def _select_boxes(nodes: Nodes, boxes: str, scores: str, min_score: float) -> tuple[str, str]:
    """Selects the boxes with a positive area and a sufficient score, and their scores."""
    low, high = nodes.several(2, "Split", boxes, axis=1, num_outputs=2)
    positive = nodes("Greater", nodes("Sub", high, low), np.float32(0))
    count = nodes("ReduceSum", nodes("Cast", positive, to=_INT64), np.array([1]), keepdims=0)
    has_area = nodes("Equal", count, np.array(2))
    sufficient = nodes("GreaterOrEqual", scores, np.float32(min_score))
    selected = nodes("And", has_area, sufficient)
    return nodes("Compress", boxes, selected, axis=0), nodes("Compress", scores, selected, axis=0)


def _place_points(
    nodes: Nodes, boxes: str, landmarks: onnx.ModelProto, card: ModelCard, faces: FaceFilter
) -> list[str]:
    """Places points (n, k, 2) in boxes (n, 4) and, if the network has a score, presence (n,)."""
    count = nodes("Squeeze", nodes("Shape", boxes, start=0, end=1))
    body = _face_body(boxes, _pass_body(landmarks, card, faces), card, faces.rule)
    return nodes.several(1 + card.output.score, "Loop", count, "", body=body)


def _face_body(
    boxes: str, pass_body: onnx.GraphProto, card: ModelCard, rule: BoxRule
) -> onnx.GraphProto:
    """Builds the body of the loop over faces, from a face's number to its points and presence."""
    nodes = Nodes("face")
    number, going = typed("face_number", _INT64, []), typed("face_going", _BOOL, [])
    box = nodes("Gather", boxes, number.name, axis=0)
    zeros = np.zeros((card.landmarks.count, 2), np.float32)
    state: list[Value] = [square(nodes, box, rule), zeros, np.zeros(1, np.float32)]
    state = state[: len(pass_body.output) - 1]
    _, points, *presence = nodes.several(
        len(state), "Loop", np.array(_PASSES), "", *state, body=pass_body
    )
    outputs = [typed(nodes("Identity", going.name), _BOOL, [])]
    outputs += [typed(points, _FLOAT, zeros.shape)]
    outputs += [typed(nodes("Squeeze", each, np.array([0])), _FLOAT, []) for each in presence]
    return nodes.graph([number, going], outputs)


def _pass_body(landmarks: onnx.ModelProto, card: ModelCard, faces: FaceFilter) -> onnx.GraphProto:
    """Builds the body of the loop that places points.

    It maps a square to the points' own square, the points and the presence, and continues if the
    presence is sufficient.
    """
    # These names are part of every exported file.
    nodes = Nodes("turn")
    box = typed("turn_box", _FLOAT, [4])
    state = [((card.landmarks.count, 2), "points"), ((1,), "presence")][: 1 + card.output.score]
    inputs = [typed("turn_number", _INT64, []), typed("turn_going", _BOOL, []), box]
    inputs += [typed(f"turn_last_{name}", _FLOAT, shape) for shape, name in state]
    cropped = crop(nodes, "image", box.name, card.crop, card.input)
    results = ["points", "score"][: len(state)]
    if len(landmarks.graph.output) > len(results):
        landmarks = Extractor(landmarks).extract_model(["image"], results)
    nodes.include(with_prefix(landmarks, "landmarks_", {"image": cropped.pixels}).graph)
    points = to_image(nodes, "landmarks_points", cropped)
    edges = [nodes(kind, points, np.array([0]), keepdims=0) for kind in _EDGES]
    points_square = square(nodes, nodes("Concat", *edges, axis=0), POINTS_BOX)
    results = [points, "landmarks_score"][: len(state)]
    condition = nodes("Identity", "turn_going")
    if card.output.score:
        present = nodes("GreaterOrEqual", results[1], np.float32(faces.min_presence))
        condition = nodes("Squeeze", present, np.array([0]))
    outputs = [typed(condition, _BOOL, [])]
    outputs += [typed(points_square, _FLOAT, [4])]
    # The network's shapes have a batch of any size, the loop's state has one face.
    outputs += [
        typed(nodes("Reshape", result, np.array(shape)), _FLOAT, shape)
        for result, (shape, _) in zip(results, state, strict=True)
    ]
    return nodes.graph(inputs, outputs)
