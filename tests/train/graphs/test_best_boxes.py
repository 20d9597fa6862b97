"""The unrolled suppression selects what the operator NonMaxSuppression selects."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fkd_infer.geometry.arrays import Floats
from fkd_train.graphs.best_boxes import best_boxes
from fkd_train.graphs.builder import Nodes, typed

COUNT, OVERLAP = 4, 0.4


def run(
    nodes: Nodes, outputs: list[str], boxes: Floats, scores: Floats
) -> list[NDArray[np.generic]]:
    graph = nodes.graph(
        [
            typed("boxes", TensorProto.FLOAT, boxes.shape),
            typed("scores", TensorProto.FLOAT, scores.shape),
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    results: list[NDArray[np.generic]] = session.run(None, {"boxes": boxes, "scores": scores})
    return results


def selected(boxes: Floats, scores: Floats) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """The best boxes of each image."""
    nodes = Nodes("test")
    names = best_boxes(nodes, "boxes", "scores", boxes.shape[1], COUNT, OVERLAP)
    found_boxes, found_scores = run(nodes, list(names), boxes, scores)
    return found_boxes, found_scores


def random_boxes(count: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 90, (count, 2))
    return np.hstack([corners, corners + rng.uniform(20, 60, (count, 2))]).astype(np.float32)


def test_the_best_boxes_are_those_of_the_operator() -> None:
    images = 5
    boxes = np.stack([random_boxes(60, seed) for seed in range(images)])
    scores = np.random.default_rng(0).uniform(0, 1, (images, 60)).astype(np.float32)
    nodes = Nodes("reference")
    rows = nodes(
        "NonMaxSuppression",
        "boxes",
        nodes("Unsqueeze", "scores", np.array([1])),
        np.array([COUNT]),
        np.array([OVERLAP], np.float32),
    )
    (chosen,) = run(nodes, [rows], boxes, scores)
    image, _, box = np.asarray(chosen, np.int64).T
    found_boxes, found_scores = selected(boxes, scores)
    np.testing.assert_array_equal(found_boxes.reshape(-1, 4), boxes[image, box])
    np.testing.assert_array_equal(found_scores.ravel(), scores[image, box])


def test_of_equal_scores_the_first_is_taken_and_missing_boxes_score_0() -> None:
    boxes = np.array([[[0, 0, 9, 9], [50, 0, 59, 9], [1, 0, 10, 9]]], np.float32)
    found_boxes, scores = selected(boxes, np.full((1, 3), 0.75, np.float32))
    np.testing.assert_array_equal(found_boxes[:, :2], boxes[:, :2])
    np.testing.assert_array_equal(scores, [[0.75, 0.75, 0, 0]])
