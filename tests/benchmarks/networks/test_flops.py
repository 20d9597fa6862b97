"""Multiply-adds and bytes of graphs, and a network's limit on a machine of known rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from repo_paths import SHIPPED_MODELS

from benchmarks.networks.flops import Layer, MultiplyAdds, Work, count_work
from benchmarks.roofline.ceilings import Ceiling
from benchmarks.roofline.operators import BETWEEN, WARM_UP, Operator, summed
from benchmarks.roofline.roofline import Machine, machine_of
from fkd_train.errors import RunError

CONVOLUTION = 8 * 16 * 16 * 3 * 3 * 3
"""8 maps of 16 × 16, each from 3 by a kernel of 3 × 3."""
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


def test_a_known_graph_is_counted(tmp_path: Path) -> None:
    file = save(tmp_path / "tiny.onnx", [convolve("image", "kernel"), *AFTER], WEIGHTS)
    convolving = 3 * 32 * 32 + 8 * 3 * 3 * 3 + 8 * 16 * 16
    dense = 8 + 8 * 10 + 10
    assert count_work(file).layers == (
        Layer(MultiplyAdds(fp32=CONVOLUTION), 4 * convolving),
        Layer(MultiplyAdds(fp32=DENSE), 4 * dense, convolution=False),
    )


def test_quantised_convolutions_count_as_int8_and_by_their_bytes(tmp_path: Path) -> None:
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
    found = count_work(save(tmp_path / "int8.onnx", nodes, weights))
    assert found.convolutions == MultiplyAdds(int8=CONVOLUTION)
    assert found.all == MultiplyAdds(fp32=DENSE, int8=CONVOLUTION)
    assert found.moved_bytes == 3 * 32 * 32 + 8 * 27 + 8 * 256 + 4 * (8 + 80 + 10)


def test_a_shipped_network_has_as_many_as_its_layers_by_hand() -> None:
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


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(RunError, match=r"no\.onnx: its graph cannot be read"):
        count_work(tmp_path / "no.onnx")


def test_the_limit_of_each_layer_is_that_of_the_resource_that_is_used_up_first() -> None:
    rates = {
        Ceiling("ort-matmul", 512): 100e9,
        Ceiling("torch-matmul", 512): 200e9,
        Ceiling("ort-integer", 512): 800e9,
        Ceiling("triad", 2**20): 50e9,
        Ceiling("triad", 2**26): 10e9,
        Ceiling("copy", 2**26): 12e9,
    }
    machine = machine_of(rates)
    assert machine == Machine(200e9, 800e9, {2**20: 50e9, 2**26: 12e9})
    arithmetic = Layer(MultiplyAdds(fp32=1_000_000, int8=4_000_000), 100_000)
    memory = Layer(MultiplyAdds(fp32=1_000), 900_000)
    assert machine.least(Work((arithmetic, memory))) == pytest.approx(20e-6 + 18e-6)
    larger = Layer(MultiplyAdds(), 12_000_000_000)
    assert machine.least(Work((larger,))) == pytest.approx(1.0)


def test_a_trace_is_summed_by_operator_without_its_warm_up() -> None:
    def events(milliseconds: float) -> list[dict[str, object]]:
        def node(name: str, kind: str, share: float) -> dict[str, object]:
            args = {"op_name": kind}
            dur = 1000 * share * milliseconds
            return {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur, "args": args}

        run = {"cat": "Session", "name": "model_run", "dur": 1000 * milliseconds}
        return [node("a", "Conv", 0.5), node("b", "Conv", 0.25), node("c", "Add", 0.125), run]

    trace = [event for _ in range(WARM_UP) for event in events(100.0)]
    trace += [event for milliseconds in (1.0, 3.0) for event in events(milliseconds)]
    assert summed(trace) == [
        Operator("Conv", 1.5, 75.0),
        Operator("Add", 0.25, 12.5),
        Operator(BETWEEN, 0.25, 12.5),
    ]
