"""Factorises a dense layer into two narrow ones, from its outputs on training crops."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from fkd_infer.geometry.arrays import Pixels
from fkd_train.graphs.session import cpu_session

Floats64 = NDArray[np.float64]


def layer_outputs(model: onnx.ModelProto, node: str, crops: Pixels) -> Floats64:
    """Computes the outputs (n, m) of a node, by name, for crops (n, S, S, C)."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    (name,) = (n.output[0] for n in extended.graph.node if n.name == node)
    value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    extended.graph.output.append(value)
    session = cpu_session(extended)
    parts = [session.run([name], {"image": part})[0] for part in _batches(crops)]
    return np.concatenate(parts).astype(np.float64)


def _batches(crops: Pixels, size: int = 64) -> list[Pixels]:
    return [crops[start : start + size] for start in range(0, len(crops), size)]


def factorise(model: onnx.ModelProto, node: str, outputs: Floats64, rank: int) -> onnx.ModelProto:
    """Replaces a Gemm node by two with `rank` values between them.

    The layer's outputs (n, m) are projected on their first principal components, the best linear
    approximation of that rank on these crops (Zhang, Zou, He, Sun, TPAMI 2016, section 3.1, the
    linear case): y ≈ U Uᵀ (W x + b − ȳ) + ȳ.
    """
    mean = outputs.mean(axis=0)
    _, _, components = np.linalg.svd(outputs - mean, full_matrices=False)
    basis = components[:rank].T  # (m, rank)
    factorised = onnx.ModelProto()
    factorised.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in factorised.graph.initializer}
    (gemm,) = (n for n in factorised.graph.node if n.name == node)
    layer_input, weight, bias = gemm.input
    full = numpy_helper.to_array(tensors[weight]).astype(np.float64)  # (m, inputs)
    offset = numpy_helper.to_array(tensors[bias]).astype(np.float64)
    _set(tensors[weight], basis.T @ full)
    _set(tensors[bias], mean + basis @ (basis.T @ (offset - mean)))
    wide, narrow = f"{weight}_wide", f"{node}_narrow"
    factorised.graph.initializer.append(numpy_helper.from_array(basis.astype(np.float32), wide))
    index = list(factorised.graph.node).index(gemm)
    first = onnx.helper.make_node("Gemm", [layer_input, weight], [narrow], name=narrow, transB=1)
    second = onnx.helper.make_node(
        "Gemm", [narrow, wide, bias], list(gemm.output), name=node, transB=1
    )
    factorised.graph.node.remove(gemm)
    factorised.graph.node.insert(index, second)
    factorised.graph.node.insert(index, first)
    _remove_shapes(factorised)
    return factorised


def _set(tensor: onnx.TensorProto, values: Floats64) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _remove_shapes(model: onnx.ModelProto) -> None:
    """Removes the shapes of inner values, which are outdated and can be inferred."""
    del model.graph.value_info[:]
