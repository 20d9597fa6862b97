"""Writes the tiny networks of tests/data/models: `python tests/make_tiny_models.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tiny_models import (
    DETECTED_BOXES,
    END_TO_END_SIZE,
    LOW_SCORE,
    MODELS,
    SIZE,
    card,
    detected_points,
    detector_card,
    end_to_end_card,
    end_to_end_points,
    fixed_points,
)

from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import InputSpec


def network(
    offset: NDArray[np.float32], columns: int = 2, batch: int | str = "batch"
) -> onnx.ModelProto:
    """points = offset + mean gray of the crop / 255, so that the rows of a batch differ."""
    image: list[int | str] = [batch, SIZE, SIZE, 1]
    points: list[int | str] = [batch, 68, columns]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "axes12"], ["column"]),
        helper.make_node("Add", ["column", "offset"], ["points"]),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "axes": np.array([1, 2, 3], np.int64),
        "axes12": np.array([1, 2], np.int64),
        "white": np.array(255, np.float32),
        "offset": offset[None, :, :columns],
    }
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, image)],
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, points)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_score(model: onnx.ModelProto) -> onnx.ModelProto:
    """Adds a second output: score = mean gray of the crop / 255."""
    model.graph.node.append(helper.make_node("Identity", ["share"], ["score"]))
    model.graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"]))
    return model


def with_card(model: onnx.ModelProto, score: bool = False, border: bool = True) -> onnx.ModelProto:
    own = replace(card(score), input=InputSpec.of(SIZE, 1, border))
    helper.set_model_props(model, {METADATA_KEY: own.to_json()})
    return model


def without_border(model: onnx.ModelProto) -> onnx.ModelProto:
    """Takes planes, as other programs prepare them."""
    shape: list[int | str] = ["batch", 1, SIZE, SIZE]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(image)
    return model


def detector(boxes: NDArray[np.float32], points: int = 5) -> onnx.ModelProto:
    """Two boxes with the scores mean of the image / 255 and LOW_SCORE; outputs those at or above
    the floor."""
    outputs: dict[str, list[int | str]] = {
        "boxes": ["faces", 4],
        "scores": ["faces"],
        "points": ["faces", points, 2],
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "first"], ["brightness"]),
        helper.make_node("Concat", ["brightness", "unlikely"], ["all_scores"], axis=0),
        helper.make_node("GreaterOrEqual", ["all_scores", "floor"], ["found"]),
    ]
    nodes += [
        helper.make_node("Compress", [f"all_{name}", "found"], [name], axis=0) for name in outputs
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "axes": np.array([0, 1, 2], np.int64),
        "first": np.array([0], np.int64),
        "white": np.array(255, np.float32),
        "unlikely": np.array([LOW_SCORE], np.float32),
        "floor": np.array(detector_card().floor, np.float32),
        "all_boxes": boxes,
        "all_points": np.ascontiguousarray(detected_points()[:, :points]),
    }
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_detector_card(model: onnx.ModelProto) -> onnx.ModelProto:
    helper.set_model_props(model, {METADATA_KEY: detector_card().to_json()})
    return model


def end_to_end(
    sized: bool = True, batch: int | Literal["dynamic"] | None = None
) -> onnx.ModelProto:
    """Two faces with the scores brightness, or 0 if that is below 0.5, and brightness / 2.

    The brightness b of an image is its mean / 255; it is also the presence, and moves the points.
    """
    images: list[int | str] = [] if batch is None else ["images" if batch == "dynamic" else batch]
    shape: list[int | str] = list(END_TO_END_SIZE) if sized else ["height", "width"]
    rows: list[int | str] = [*images, 2 if sized else "faces"]
    outputs: dict[str, Sequence[int | str]] = {
        "boxes": [*rows, 4],
        "scores": rows,
        "points": [*rows, 68, 2],
        "presence": rows,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["b"]),
        helper.make_node("Reshape", ["b", "column"], ["share"]),
        helper.make_node("Div", ["share", "two"], ["low"]),
        helper.make_node("Less", ["share", "half"], ["dark"]),
        helper.make_node("Where", ["dark", "none", "share"], ["high"]),
        helper.make_node("Concat", ["high", "low"], ["each_scores"], axis=1),
        helper.make_node("Concat", ["share", "share"], ["each_presence"], axis=1),
        helper.make_node("Reshape", ["b", "cells"], ["moved"]),
        helper.make_node("Add", ["all_points", "moved"], ["each_points"]),
        helper.make_node("Reshape", ["b", "cube"], ["cubed"]),
        helper.make_node("Mul", ["cubed", "none"], ["still"]),
        helper.make_node("Add", ["all_boxes", "still"], ["each_boxes"]),
        helper.make_node("Greater", ["each_scores", "none"], ["found"]),
        helper.make_node("Reshape", ["found", "flat"], ["keep"]),
    ]
    lengths = {"boxes": [4], "scores": [], "points": [68, 2], "presence": []}
    constants: dict[str, NDArray[np.generic]] = {
        "axes": np.array([-3, -2, -1], np.int64),
        "white": np.array(255, np.float32),
        "two": np.array(2, np.float32),
        "half": np.array(0.5, np.float32),
        "none": np.array(0, np.float32),
        "column": np.array([-1, 1], np.int64),
        "cells": np.array([-1, 1, 1, 1], np.int64),
        "cube": np.array([-1, 1, 1], np.int64),
        "flat": np.array([-1], np.int64),
        "all_boxes": DETECTED_BOXES[None],
        "all_points": end_to_end_points()[None],
    }
    for name, rest in lengths.items():
        first = [2] if batch is None else [-1, 2]
        constants[f"{name}_shape"] = np.array([*first, *rest], np.int64)
        shaped = name if sized else f"shaped_{name}"
        nodes.append(helper.make_node("Reshape", [f"each_{name}", f"{name}_shape"], [shaped]))
        if not sized:
            nodes.append(helper.make_node("Compress", [shaped, "keep"], [name], axis=0))
    graph = helper.make_graph(
        nodes,
        "end to end",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [*images, *shape, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    own = end_to_end_card(sized, batch)
    helper.set_model_props(model, {METADATA_KEY: own.to_json()})
    return model


def relu() -> onnx.ModelProto:
    """A network that OpenCV can read, but that is no detector."""
    shape = [1, 3, SIZE, SIZE]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["input"], ["output"])],
        "relu",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)


def main() -> None:
    MODELS.mkdir(exist_ok=True)
    points = fixed_points()
    broken = points.copy()
    broken[3] = np.nan
    nan_box, inverted_box = DETECTED_BOXES.copy(), DETECTED_BOXES.copy()
    nan_box[0, 1] = np.nan
    inverted_box[1] = inverted_box[1, [2, 1, 0, 3]]
    models = {
        "fixed": with_card(network(points)),
        "scored": with_card(with_score(network(points)), score=True),
        "no_score": with_card(network(points), score=True),
        "batches_of_three": with_card(network(points, batch=3)),
        "planes": with_card(without_border(network(points)), border=False),
        "no_card": network(points),
        "wrong_output": with_card(network(points, columns=1)),
        "not_finite": with_card(network(broken)),
        "detector": with_detector_card(detector(DETECTED_BOXES)),
        "detector_no_card": detector(DETECTED_BOXES),
        "detector_nan": with_detector_card(detector(nan_box)),
        "detector_inverted": with_detector_card(detector(inverted_box)),
        "detector_four_points": with_detector_card(detector(DETECTED_BOXES, points=4)),
        "end_to_end": end_to_end(sized=False),
        "end_to_end_one": end_to_end(),
        "end_to_end_two": end_to_end(batch=2),
        "end_to_end_any": end_to_end(batch="dynamic"),
        "relu": relu(),
    }
    for name, model in models.items():
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, MODELS / f"{name}.onnx")


if __name__ == "__main__":
    main()
