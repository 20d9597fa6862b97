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

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.graphs.builder import Nodes, Value, typed, with_prefix
from fkd_train.graphs.crop import crop, square, to_image

_FLOAT, _BOOL, _INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
_EDGES = ("ReduceMin", "ReduceMax")
_PASSES = 2
PLACED = {"points": "points", "score": "presence", "spread": "spread"}
"""Outputs of a landmark network, and what an end-to-end file calls them."""


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
    has them, `presence` and `spread`; without metadata."""
    nodes = Nodes("all")
    nodes.include(with_prefix(detector, "detector_", {"image": "image"}).graph)
    boxes, scores = _select_boxes(nodes, "detector_boxes", "detector_scores", faces.min_score)
    placed = _place_points(nodes, boxes, landmarks, card, faces)
    results = {"boxes": boxes, "scores": scores, **placed}
    if card.output.score:
        present = nodes("GreaterOrEqual", placed["presence"], np.float32(faces.min_presence))
        results = {name: nodes("Compress", each, present, axis=0) for name, each in results.items()}
    shapes = face_shapes(card)
    outputs = []
    for name, result in results.items():
        nodes.nodes.append(helper.make_node("Identity", [result], [name], name))
        outputs.append(typed(name, _FLOAT, ["faces", *shapes[name]]))
    image = typed("image", TensorProto.UINT8, ["height", "width", 3])
    model = helper.make_model(
        nodes.graph([image], outputs),
        opset_imports=merged_opsets(landmarks, detector),
        ir_version=max(landmarks.ir_version, detector.ir_version),
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def face_shapes(card: ModelCard) -> dict[str, list[int]]:
    """The shape of each output for one face, in order."""
    count = card.landmarks.count
    placed = {"points": [count, 2], "presence": [], "spread": [count]}
    names = [PLACED[name] for name in card.output.names]
    return {"boxes": [4], "scores": [], **{name: placed[name] for name in names}}


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
) -> dict[str, str]:
    """Places points (n, k, 2) in boxes (n, 4), with presence (n,) and spread (n, k) if the network
    has them."""
    count = nodes("Squeeze", nodes("Shape", boxes, start=0, end=1))
    body = _face_body(boxes, _pass_body(landmarks, card, faces), card, faces.rule)
    names = [PLACED[name] for name in card.output.names]
    return dict(zip(names, nodes.several(len(names), "Loop", count, "", body=body), strict=True))


def _face_body(
    boxes: str, pass_body: onnx.GraphProto, card: ModelCard, rule: BoxRule
) -> onnx.GraphProto:
    """Builds the body of the loop over faces, from a face's number to its points, presence and
    spread."""
    nodes = Nodes("face")
    number, going = typed("face_number", _INT64, []), typed("face_going", _BOOL, [])
    box = nodes("Gather", boxes, number.name, axis=0)
    shapes = _state_shapes(card)
    state: list[Value] = [square(nodes, box, rule)]
    state += [np.zeros(shape, np.float32) for shape in shapes.values()]
    _, *placed = nodes.several(len(state), "Loop", np.array(_PASSES), "", *state, body=pass_body)
    outputs = [typed(nodes("Identity", going.name), _BOOL, [])]
    for (name, shape), value in zip(shapes.items(), placed, strict=True):
        is_number = name == "presence"
        value = nodes("Squeeze", value, np.array([0])) if is_number else value
        outputs.append(typed(value, _FLOAT, [] if is_number else shape))
    return nodes.graph([number, going], outputs)


def _state_shapes(card: ModelCard) -> dict[str, list[int]]:
    """The shapes of what is placed for one face, which has a batch of one at most."""
    placed = {name: shape for name, shape in face_shapes(card).items() if name in PLACED.values()}
    return {name: shape or [1] for name, shape in placed.items()}


def _pass_body(landmarks: onnx.ModelProto, card: ModelCard, faces: FaceFilter) -> onnx.GraphProto:
    """Builds the body of the loop that places points.

    It maps a square to the points' own square, the points, the presence and the spread, and
    continues if the presence is sufficient.
    """
    # These names are part of every exported file.
    nodes = Nodes("turn")
    box = typed("turn_box", _FLOAT, [4])
    state = _state_shapes(card)
    inputs = [typed("turn_number", _INT64, []), typed("turn_going", _BOOL, []), box]
    inputs += [typed(f"turn_last_{name}", _FLOAT, shape) for name, shape in state.items()]
    cropped = crop(nodes, "image", box.name, card.crop, card.input)
    nodes.include(with_prefix(landmarks, "landmarks_", {"image": cropped.pixels}).graph)
    points = to_image(nodes, "landmarks_points", cropped)
    edges = [nodes(kind, points, np.array([0]), keepdims=0) for kind in _EDGES]
    points_square = square(nodes, nodes("Concat", *edges, axis=0), POINTS_BOX)
    results = {"points": points}
    condition = nodes("Identity", "turn_going")
    if card.output.score:
        results["presence"] = "landmarks_score"
        present = nodes("GreaterOrEqual", "landmarks_score", np.float32(faces.min_presence))
        condition = nodes("Squeeze", present, np.array([0]))
    if card.output.spread:
        step = nodes("Cast", cropped.step, to=_FLOAT)
        results["spread"] = nodes("Mul", "landmarks_spread", step)
    outputs = [typed(condition, _BOOL, [])]
    outputs += [typed(points_square, _FLOAT, [4])]
    # The network's shapes have a batch of any size, the loop's state has one face.
    outputs += [
        typed(nodes("Reshape", results[name], np.array(shape)), _FLOAT, shape)
        for name, shape in state.items()
    ]
    return nodes.graph(inputs, outputs)
