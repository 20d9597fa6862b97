"""The int8 variant of the shipped detector."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from repo_paths import SHIPPED_MODELS

from fkd_train.optimize.detector import _in_float

FP32, INT8 = (SHIPPED_MODELS / f"fkd-detector{suffix}.onnx" for suffix in ("", "-int8"))


def test_only_full_convolutions_of_more_than_three_channels_are_quantised() -> None:
    model = onnx.load(FP32)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    in_float = set(_in_float(model))
    shapes = [
        tuple(tensors[node.input[1]].dims)
        for node in model.graph.node
        if node.op_type == "Conv" and node.name not in in_float
    ]
    # Five layers at each of three levels.
    assert len(shapes) == 15
    assert all(channels > 3 and kernel == [3, 3] for _, channels, *kernel in shapes)
    quantized = {
        output for node in model.graph.node if node.name not in in_float for output in node.output
    }
    for node in model.graph.node:
        if node.op_type == "Relu":
            assert (node.name in in_float) == (node.input[0] not in quantized)


def test_the_shipped_weights_have_7_bits_so_that_sums_are_right_on_any_cpu() -> None:
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(INT8).graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(weights) == 5
    assert all(np.abs(values.astype(int)).max() <= 64 for values in weights)
