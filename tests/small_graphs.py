"""Small ONNX graphs with known parts, for tests of graph passes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def convolution_network(channels: int = 1) -> onnx.ModelProto:
    """image → planes / 255 → convolution with padding → dense layer × 3 + 2."""
    rng = np.random.default_rng(0)
    values: dict[str, NDArray[np.generic]] = {
        "white": np.array(255, np.float32),
        "weight": rng.normal(size=(4, channels, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=4).astype(np.float32),
        "flat": np.array([-1, 4 * 64], np.int64),
        "dense": rng.normal(size=(6, 4 * 64)).astype(np.float32),
        "dense_bias": rng.normal(size=6).astype(np.float32),
        "pairs": np.array([-1, 3, 2], np.int64),
        "unit": np.array(3, np.float32),
        "offset": np.array(2, np.float32),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "weight", "bias"], ["map"], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["map", "flat"], ["features"]),
        helper.make_node("Gemm", ["features", "dense", "dense_bias"], ["dense_out"], transB=1),
        helper.make_node("Reshape", ["dense_out", "pairs"], ["normalised"]),
        helper.make_node("Mul", ["normalised", "unit"], ["wide"]),
        helper.make_node("Add", ["wide", "offset"], ["points"]),
    ]
    for number, node in enumerate(nodes):
        node.name = f"node{number}"
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, channels])],
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, ["batch", 3, 2])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"fkd": "a card"})
    return model


def run_network(model: onnx.ModelProto, channels: int = 1) -> NDArray[np.float32]:
    """Runs the network on five fixed crops."""
    crops = np.random.default_rng(1).integers(0, 256, (5, 8, 8, channels), np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (points,) = session.run(None, {"image": crops})
    return np.asarray(points, np.float32)


def random_crops(count: int, channels: int = 1) -> NDArray[np.uint8]:
    """Inputs of `convolution_network`."""
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, 8, 8, channels), np.uint8)


def dense_network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    values: dict[str, NDArray[np.generic]] = {
        "flat": np.array([-1, 1024], np.int64),
        "large": rng.normal(size=(128, 1024)).astype(np.float32) / 32,
        "large_bias": rng.normal(size=128).astype(np.float32),
        "small": rng.normal(size=(6, 128)).astype(np.float32) / 12,
        "small_bias": rng.normal(size=6).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "flat"], ["features"], "flatten"),
        helper.make_node("Gemm", ["features", "large", "large_bias"], ["x"], "first", transB=1),
        helper.make_node("Gemm", ["x", "small", "small_bias"], ["points"], "last", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 32, 32, 1])],
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, ["batch", 6])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"fkd": "a card"})
    return model
