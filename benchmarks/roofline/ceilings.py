"""Measures the machine's best rates: matrix products and memory, each as a contender."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fkd_infer.tuning.interleaved import Contender, serve

Resource = Literal["fp32", "int8", "memory"]
Backend = Literal[
    "ort-matmul", "torch-matmul", "numpy-matmul", "ort-integer", "ort-qlinear", "triad", "copy"
]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
_TITLES: dict[Backend, str] = {
    "ort-matmul": "MatMul, ONNX Runtime",
    "torch-matmul": "matmul, torch",
    "numpy-matmul": "matmul, numpy",
    "ort-integer": "MatMulInteger, ONNX Runtime",
    "ort-qlinear": "QLinearMatMul, ONNX Runtime",
    "triad": "triad",
    "copy": "copy",
}
_SIDES = (512, 1024, 2048)
_MIB = 2**20
_TRIAD_BYTES = (1 * _MIB, 4 * _MIB, 16 * _MIB, 64 * _MIB, 1536 * _MIB)
"""Bytes of a triad's three arrays together; the last size exceeds any cache."""


@dataclass(frozen=True)
class Ceiling:
    """A call that is limited by one resource; `size` is a matrix's side, or bytes in total."""

    backend: Backend
    size: int

    @property
    def resource(self) -> Resource:
        """The resource that limits it."""
        if self.backend in ("triad", "copy"):
            return "memory"
        return "fp32" if self.backend.endswith("matmul") else "int8"

    @property
    def work(self) -> float:
        """Operations per call (a multiply-add is two), or bytes read and written."""
        return self.size if self.resource == "memory" else 2.0 * self.size**3

    @property
    def name(self) -> str:
        """Its name for people."""
        size = f"{self.size // _MIB} MiB" if self.resource == "memory" else f"{self.size}²"
        return f"{self.resource}: {_TITLES[self.backend]}, {size}"

    def contender(self, threads: int) -> Contender:
        """Its process."""
        command = [sys.executable, "-m", __name__, self.backend, str(self.size), str(threads)]
        return Contender(self.name, command)


def all_ceilings() -> list[Ceiling]:
    """The ceilings to measure."""
    products = [Ceiling(b, side) for b in BACKENDS if b not in ("triad", "copy") for side in _SIDES]
    triads = [Ceiling("triad", size) for size in _TRIAD_BYTES]
    return [*products, *triads, Ceiling("copy", _TRIAD_BYTES[-1])]


def open_ceiling(backend: Backend, size: int, threads: int) -> Callable[[], object]:
    """Prepares the call of a ceiling."""
    if backend in ("triad", "copy"):
        return _open_memory(backend, size, threads)
    if backend.startswith("ort"):
        return _open_onnx(backend, size, threads)
    rng = np.random.default_rng(0)
    left, right = rng.random((2, size, size), np.float32)
    if backend == "numpy-matmul":
        out = np.empty_like(left)
        return lambda: np.matmul(left, right, out=out)
    import torch

    torch.set_num_threads(threads)
    tensors = torch.from_numpy(left), torch.from_numpy(right)
    product = torch.empty_like(tensors[0])
    return lambda: torch.mm(*tensors, out=product)


def _open_memory(backend: Backend, size: int, threads: int) -> Callable[[], object]:
    """a = b + s · c (STREAM, McCalpin 1995) or a = b, in torch, which uses several threads."""
    import torch

    torch.set_num_threads(threads)
    arrays = 3 if backend == "triad" else 2
    # Filled, since untouched pages all map to the same physical page.
    first, second, *third = (torch.ones(size // arrays // 4) for _ in range(arrays))
    if not third:
        return lambda: first.copy_(second)
    return lambda: torch.add(second, third[0], alpha=3.0, out=first)


def _open_onnx(backend: Backend, size: int, threads: int) -> Callable[[], object]:
    """The product of an input and a constant, like a network's weights."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    left = rng.integers(0, 128, (size, size), np.uint8)
    right = rng.integers(-127, 128, (size, size), np.int8)
    node = helper.make_node("MatMulInteger", ["left", "right"], ["product"])
    constants: dict[str, np.ndarray] = {"right": right}
    kinds = TensorProto.UINT8, TensorProto.INT32
    if backend == "ort-qlinear":
        scales = {f"scale{i}": np.array(0.01, np.float32) for i in range(3)}
        zeros = {"zero0": np.array(0, np.uint8), "zero1": np.array(0, np.int8)}
        constants |= scales | zeros
        names = ["left", "scale0", "zero0", "right", "scale1", "zero1", "scale2", "zero0"]
        node = helper.make_node("QLinearMatMul", names, ["product"])
        kinds = TensorProto.UINT8, TensorProto.UINT8
    inputs: np.ndarray = left
    if backend == "ort-matmul":
        node = helper.make_node("MatMul", ["left", "right"], ["product"])
        constants = {"right": right.astype(np.float32)}
        inputs, kinds = left.astype(np.float32), (TensorProto.FLOAT, TensorProto.FLOAT)
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("left", kinds[0], [size, size])],
        [helper.make_tensor_value_info("product", kinds[1], [size, size])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"left": inputs})


if __name__ == "__main__":
    name, number, cores = sys.argv[1:]
    assert name in BACKENDS
    serve(open_ceiling(name, int(number), int(cores)))
