"""A dense layer as two narrow ones, by what its outputs do on training crops."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from fkd_infer.geometry.arrays import Pixels

Floats64 = NDArray[np.float64]


def outputs_of(model: onnx.ModelProto, node: str, crops: Pixels) -> Floats64:
    """What a node (by name) answers for crops (n, S, S, C): (n, its outputs)."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    (name,) = (n.output[0] for n in watched.graph.node if n.name == node)
    value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    watched.graph.output.append(value)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "watched.onnx"
        onnx.save(watched, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        parts = [session.run([name], {"image": part})[0] for part in _batches(crops)]
    return np.concatenate(parts).astype(np.float64)


def _batches(crops: Pixels, size: int = 64) -> list[Pixels]:
    return [crops[start : start + size] for start in range(0, len(crops), size)]


def factorise(model: onnx.ModelProto, node: str, outputs: Floats64, rank: int) -> onnx.ModelProto:
    """The model with a Gemm node replaced by two, of `rank` values between them.

    The outputs (n, m) of the layer are kept along their first principal components, which is the
    best that a linear layer of that rank can do on those crops (Zhang, Zou, He, Sun, TPAMI 2016,
    section 3.1, the linear case): y ≈ U Uᵀ (W x + b − ȳ) + ȳ.
    """
    mean = outputs.mean(axis=0)
    _, _, components = np.linalg.svd(outputs - mean, full_matrices=False)
    basis = components[:rank].T  # (m, rank)
    small = onnx.ModelProto()
    small.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in small.graph.initializer}
    (gemm,) = (n for n in small.graph.node if n.name == node)
    given, weight, bias = gemm.input
    full = numpy_helper.to_array(tensors[weight]).astype(np.float64)  # (m, inputs)
    offset = numpy_helper.to_array(tensors[bias]).astype(np.float64)
    _set(tensors[weight], basis.T @ full)
    _set(tensors[bias], mean + basis @ (basis.T @ (offset - mean)))
    wide, narrow = f"{weight}_wide", f"{node}_narrow"
    small.graph.initializer.append(numpy_helper.from_array(basis.astype(np.float32), wide))
    at = list(small.graph.node).index(gemm)
    first = onnx.helper.make_node("Gemm", [given, weight], [narrow], name=narrow, transB=1)
    second = onnx.helper.make_node(
        "Gemm", [narrow, wide, bias], list(gemm.output), name=node, transB=1
    )
    small.graph.node.remove(gemm)
    small.graph.node.insert(at, second)
    small.graph.node.insert(at, first)
    _forget_shapes(small)
    return small


def _set(tensor: onnx.TensorProto, values: Floats64) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _forget_shapes(model: onnx.ModelProto) -> None:
    """Values within the graph get their shapes anew from those who need them."""
    del model.graph.value_info[:]
