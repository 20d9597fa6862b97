"""One graph of a detector's and a landmark network's, and all that the pipeline does between them.

Faces are done one after the other, in a loop, so that memory does not grow with their number. In
it, a loop of two turns places the points and places them anew in their own box, unless the network
does not take the first crop for a face; both turns use the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.graphs.builder import Nodes, Value, typed
from fkd_train.graphs.crop import crop, square, to_image

_FLOAT, _BOOL, _INT64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
_EDGES = ("ReduceMin", "ReduceMax")
_TURNS = 2
"""The points are placed, and placed anew in their own box."""


@dataclass(frozen=True)
class Choice:
    """Which faces are kept: those with a detector's score, and where the landmark network has one,
    a presence, of so much or more; `rule` leads from the detector's boxes to the points'."""

    rule: BoxRule
    min_score: float
    min_presence: float


def end_to_end_graph(
    landmarks: onnx.ModelProto, card: ModelCard, detector: onnx.ModelProto, choice: Choice
) -> onnx.ModelProto:
    """The graph from `image` (H, W, 3) to `boxes`, `scores`, `points` and, where the network has a
    score, `presence`; without metadata."""
    nodes = Nodes("all")
    nodes.include(_renamed(detector, "detector_", {"image": "image"}).graph)
    boxes, scores = _found(nodes, "detector_boxes", "detector_scores", choice.min_score)
    points, *presence = _each(nodes, boxes, landmarks, card, choice)
    kept: list[str] = [boxes, scores, points, *presence]
    if presence:
        sure = nodes("GreaterOrEqual", presence[0], np.float32(choice.min_presence))
        kept = [nodes("Compress", each, sure, axis=0) for each in kept]
    names = ["boxes", "scores", "points", "presence"][: len(kept)]
    for name, each in zip(names, kept, strict=True):
        nodes.nodes.append(helper.make_node("Identity", [each], [name], name))
    tails: list[list[int | str]] = [[4], [], [card.landmarks.count, 2], []]
    outputs = [
        typed(name, _FLOAT, ["faces", *tail]) for name, tail in zip(names, tails, strict=False)
    ]
    image = typed("image", TensorProto.UINT8, ["height", "width", 3])
    whole = helper.make_model(
        nodes.graph([image], outputs),
        opset_imports=_opsets(landmarks, detector),
        ir_version=max(landmarks.ir_version, detector.ir_version),
    )
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _opsets(*models: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The operators of all; the highest version is right for all, as files of fkd have the same."""
    versions: dict[str, int] = {}
    for opset in (opset for model in models for opset in model.opset_import):
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    return [helper.make_opsetid(domain, version) for domain, version in versions.items()]


def _renamed(model: onnx.ModelProto, prefix: str, inputs: dict[str, str]) -> onnx.ModelProto:
    """A model whose names begin with a prefix, but for inputs, which get other ones."""
    renamed = compose.add_prefix(model, prefix)
    names = {prefix + old: new for old, new in inputs.items()}
    for node in renamed.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return renamed


def _found(nodes: Nodes, boxes: str, scores: str, least: float) -> tuple[str, str]:
    """The detector's boxes that are sure enough, and that are boxes, with their scores."""
    low, high = nodes.several(2, "Split", boxes, axis=1, num_outputs=2)
    spans = nodes("Greater", nodes("Sub", high, low), np.float32(0))
    count = nodes("ReduceSum", nodes("Cast", spans, to=_INT64), np.array([1]), keepdims=0)
    both = nodes("Equal", count, np.array(2))
    sure = nodes("GreaterOrEqual", scores, np.float32(least))
    kept = nodes("And", both, sure)
    return nodes("Compress", boxes, kept, axis=0), nodes("Compress", scores, kept, axis=0)


def _each(
    nodes: Nodes, boxes: str, landmarks: onnx.ModelProto, card: ModelCard, choice: Choice
) -> list[str]:
    """Points (n, k, 2) and, where there is one, presence (n,) of boxes (n, 4)."""
    count = nodes("Squeeze", nodes("Shape", boxes, start=0, end=1))
    body = _face(boxes, _turn(landmarks, card, choice), card, choice.rule)
    return nodes.several(1 + card.output.score, "Loop", count, "", body=body)


def _face(boxes: str, turn: onnx.GraphProto, card: ModelCard, rule: BoxRule) -> onnx.GraphProto:
    """The body of the loop over faces: one's number in, its points and presence out."""
    nodes = Nodes("face")
    number, going = typed("face_number", _INT64, []), typed("face_going", _BOOL, [])
    box = nodes("Gather", boxes, number.name, axis=0)
    none = np.zeros((card.landmarks.count, 2), np.float32)
    carried: list[Value] = [square(nodes, box, rule), none, np.zeros(1, np.float32)]
    carried = carried[: len(turn.output) - 1]
    _, points, *presence = nodes.several(
        len(carried), "Loop", np.array(_TURNS), "", *carried, body=turn
    )
    outputs = [typed(nodes("Identity", going.name), _BOOL, [])]
    outputs += [typed(points, _FLOAT, none.shape)]
    outputs += [typed(nodes("Squeeze", each, np.array([0])), _FLOAT, []) for each in presence]
    return nodes.graph([number, going], outputs)


def _turn(landmarks: onnx.ModelProto, card: ModelCard, choice: Choice) -> onnx.GraphProto:
    """The body of the loop that places points: a square in, the points' own square, the points and
    how sure the network is out; it goes on where that is enough."""
    nodes = Nodes("turn")
    box = typed("turn_box", _FLOAT, [4])
    kinds = [((card.landmarks.count, 2), "points"), ((1,), "presence")][: 1 + card.output.score]
    inputs = [typed("turn_number", _INT64, []), typed("turn_going", _BOOL, []), box]
    inputs += [typed(f"turn_last_{name}", _FLOAT, shape) for shape, name in kinds]
    cropped = crop(nodes, "image", box.name, card.crop, card.input)
    nodes.include(_renamed(landmarks, "landmarks_", {"image": cropped.pixels}).graph)
    points = to_image(nodes, "landmarks_points", cropped)
    edges = [nodes(kind, points, np.array([0]), keepdims=0) for kind in _EDGES]
    own = square(nodes, nodes("Concat", *edges, axis=0), POINTS_BOX)
    found = [points, "landmarks_score"][: len(kinds)]
    going = nodes("Identity", "turn_going")
    if card.output.score:
        sure = nodes("GreaterOrEqual", found[1], np.float32(choice.min_presence))
        going = nodes("Squeeze", sure, np.array([0]))
    outputs = [typed(going, _BOOL, [])]
    outputs += [typed(own, _FLOAT, [4])]
    # The network's own shapes have a batch of any size; the loop's state has one of a face.
    outputs += [
        typed(nodes("Reshape", each, np.array(shape)), _FLOAT, shape)
        for each, (shape, _) in zip(found, kinds, strict=True)
    ]
    return nodes.graph(inputs, outputs)
