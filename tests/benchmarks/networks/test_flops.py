"""Multiply-adds and bytes of graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from repo_paths import SHIPPED_MODELS

from benchmarks.networks.flops import Layer, MultiplyAdds, count_work
from fkd_train.errors import RunError

CONVOLUTION = 8 * 16 * 16 * 3 * 3 * 3
"""Multiply-adds of 8 maps of 16 × 16, each from 3 maps with a 3 × 3 kernel."""
DENSE = 8 * 10


def save(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, NDArray[np.generic]]) -> Path:
    batch = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 10])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", [batch], [out], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


WEIGHTS: dict[str, NDArray[np.generic]] = {
    "kernel": np.zeros((8, 3, 3, 3), np.float32),
    "matrix": np.zeros((8, 10), np.float32),
    "axes": np.array([2, 3], np.int64),
}
AFTER = [
    helper.make_node("Relu", ["maps"], ["positive"]),
    helper.make_node("ReduceMean", ["positive", "axes"], ["means"], keepdims=0),
    helper.make_node("Gemm", ["means", "matrix"], ["out"]),
]


def convolve(image: str, kernel: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [image, kernel], ["maps"], strides=[2, 2], pads=[1, 1, 1, 1])


def test_counts_a_known_graph(tmp_path: Path) -> None:
    file = save(tmp_path / "tiny.onnx", [convolve("image", "kernel"), *AFTER], WEIGHTS)
    convolving = 3 * 32 * 32 + 8 * 3 * 3 * 3 + 8 * 16 * 16
    dense = 8 + 8 * 10 + 10
    assert count_work(file).layers == (
        Layer(MultiplyAdds(fp32=CONVOLUTION), 4 * convolving),
        Layer(MultiplyAdds(fp32=DENSE), 4 * dense, convolution=False),
    )


def test_counts_quantised_convolutions_as_int8_with_their_stored_bytes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["image8"]),
        helper.make_node("DequantizeLinear", ["image8", "scale", "zero"], ["image32"]),
        helper.make_node("DequantizeLinear", ["kernel8", "scale", "zero8"], ["kernel32"]),
        convolve("image32", "kernel32"),
        *AFTER,
    ]
    weights: dict[str, NDArray[np.generic]] = {
        **WEIGHTS,
        "kernel8": np.zeros((8, 3, 3, 3), np.int8),
        "scale": np.array(1, np.float32),
        "zero": np.array(0, np.uint8),
        "zero8": np.array(0, np.int8),
    }
    work = count_work(save(tmp_path / "int8.onnx", nodes, weights))
    assert work.convolutions == MultiplyAdds(int8=CONVOLUTION)
    assert work.all == MultiplyAdds(fp32=DENSE, int8=CONVOLUTION)
    assert work.moved_bytes == 3 * 32 * 32 + 8 * 27 + 8 * 256 + 4 * (8 + 80 + 10)


def test_a_shipped_network_has_the_multiply_adds_of_its_layers() -> None:
    convolutions = (
        32 * 124**2 * 25 * 1
        + 64 * 60**2 * 9 * 32
        + 128 * 28**2 * 9 * 64
        + 256 * 12**2 * 9 * 128
        + 512 * 6**2 * 1 * 256
    )
    work = count_work(SHIPPED_MODELS / "naimishnet.onnx")
    assert work.convolutions.fp32 == convolutions
    assert work.all.fp32 - convolutions == 4608 * 1024 + 1024 * 512 + 512 * 136


def test_rejects_a_file_that_is_not_a_graph(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(RunError, match=r"no\.onnx: its graph cannot be read"):
        count_work(tmp_path / "no.onnx")
