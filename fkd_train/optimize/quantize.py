"""Static int8 quantisation, and weights of dense layers in 8 or 4 bits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from fkd_infer.choices import Platform
from fkd_infer.geometry.arrays import Pixels
from fkd_train.graphs.passes import with_metadata

Integers = Literal["U8U8", "U8S8", "S8S8"]
"""Types of activations, then weights: unsigned or signed 8 bits."""
Calibrator = Literal["min-max", "entropy", "percentile"]

_TYPES = {"U": QuantType.QUInt8, "S": QuantType.QInt8}
_METHODS = {
    "min-max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
QUANTISED = ["Conv", "Gemm", "MatMul", "MaxPool", "Relu", "Reshape", "Flatten"]
"""Operators with int8 kernels, and those between them that only rearrange values."""
_WEIGHTED = ("Conv", "Gemm", "MatMul")
_LARGE_WEIGHTS = 100_000
_SIMILAR_NME, _NME_GAIN = 0.05, 0.02


@dataclass(frozen=True)
class Int8Scheme:
    """Settings of static quantisation.

    `reduce_range` limits weights to 7 bits, for CPUs that add products of bytes in saturating 16
    bits; `last_in_float` leaves that many of the last layers with weights in fp32.
    """

    integers: Integers
    per_channel: bool = True
    reduce_range: bool = False
    calibrator: Calibrator = "min-max"
    last_in_float: int = 0

    def __str__(self) -> str:
        parts = [
            self.integers,
            "per channel" if self.per_channel else "per tensor",
            *(["reduced range"] if self.reduce_range else []),
            self.calibrator,
            *([f"last {self.last_in_float} in fp32"] if self.last_in_float else []),
        ]
        return ", ".join(parts)


_SAFE = (Int8Scheme("U8S8", reduce_range=True), Int8Scheme("U8U8"))
_FULL_RANGE = (Int8Scheme("U8S8"), Int8Scheme("S8S8"))
SCHEMES: dict[Platform, tuple[Int8Scheme, ...]] = {
    "any": _SAFE,
    "avx2": _SAFE,
    "vnni": (*_FULL_RANGE, *_SAFE),
    "arm": _FULL_RANGE,
}
"""The schemes that are safe on each platform. Without dot products of bytes, x86 CPUs saturate with
U8S8 and S8S8 at full range, which measurements on a newer CPU would not show."""


_STEPS: tuple[Callable[[Int8Scheme], Int8Scheme], ...] = (
    lambda best: replace(best, per_channel=False),
    lambda best: replace(best, calibrator="entropy"),
    lambda best: replace(best, calibrator="percentile"),
    lambda best: replace(best, last_in_float=1),
    lambda best: replace(best, last_in_float=2),
)


def select_scheme(
    nme_change: Callable[[Int8Scheme], float],
    platform: Platform,
    fastest: Callable[[Sequence[Int8Scheme]], Int8Scheme],
) -> Int8Scheme:
    """Searches greedily: integers, then channels, calibrator, and layers left in fp32.

    The integers are the `fastest` among those with an NME within 0.05 points of the best; each
    later step is accepted if it lowers the NME by 0.02 points or more.
    """
    changes = {scheme: nme_change(scheme) for scheme in SCHEMES[platform]}
    limit = min(changes.values()) + _SIMILAR_NME
    similar = [scheme for scheme, change in changes.items() if change <= limit]
    best = fastest(similar) if len(similar) > 1 else similar[0]
    lowest = changes[best]
    for step in _STEPS:
        scheme = step(best)
        change = nme_change(scheme)
        if change <= lowest - _NME_GAIN:
            best, lowest = scheme, change
    return best


class Quantizer:
    """Quantises an fp32 model under different schemes, calibrated on images for its input.

    `operators` are quantised, except for nodes named in `in_float`.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        images: Sequence[Pixels],
        folder: Path,
        operators: Sequence[str] = QUANTISED,
        in_float: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._images = images
        self._operators = list(operators)
        self._in_float = list(in_float)
        self._folder = folder
        folder.mkdir()
        # quantize_static would write the weights of a model in memory to a temporary file, and
        # leave it there.
        onnx.save(model, folder / "fp32.onnx")

    def __call__(self, scheme: Int8Scheme) -> onnx.ModelProto:
        """Quantises the model under a scheme; the metadata stays."""
        out = self._folder / "int8.onnx"
        with _quiet():
            quantize_static(
                self._folder / "fp32.onnx",
                out,
                _Images(self._images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=self._operators,
                per_channel=scheme.per_channel,
                reduce_range=scheme.reduce_range,
                activation_type=_TYPES[scheme.integers[0]],
                weight_type=_TYPES[scheme.integers[2]],
                nodes_to_exclude=[
                    *self._in_float,
                    *_batched_products(self._model),
                    *_last_weighted(self._model, scheme.last_in_float),
                ],
                calibrate_method=_METHODS[scheme.calibrator],
                calibration_cache_path=self._folder / f"{scheme.calibrator}.json",
            )
        return with_metadata(onnx.load(out), self._model)


class _Images(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
    """Feeds images one by one to the calibration."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        self._feeds = ({"image": image} for image in images)

    def get_next(self) -> dict[str, Pixels] | None:
        """Returns the next input, or None at the end."""
        return next(self._feeds, None)


def nodes_beside(model: onnx.ModelProto, output: str) -> list[str]:
    """Returns the names of nodes that an output of the model does not depend on."""
    needed, beside = {output}, []
    for node in reversed(model.graph.node):  # those that use a value come before its own
        if needed.isdisjoint(node.output):
            beside.append(node.name)
        else:
            needed.update(node.input)
    return beside


def _batched_products(model: onnx.ModelProto) -> list[str]:
    """Returns the names of products with a matrix of weights for each point.

    Their scales would be those of an inner axis, which ONNX Runtime before 1.32, onnxruntime-web
    and OpenCV refuse, and OpenVINO computes otherwise.
    """
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and any(ranks.get(name, 0) > 2 for name in node.input)
    ]


def _last_weighted(model: onnx.ModelProto, count: int) -> list[str]:
    """Returns the names of the last layers with weights."""
    names = [node.name for node in model.graph.node if node.op_type in _WEIGHTED]
    return names[len(names) - count :]


def pack_dense(model: onnx.ModelProto, bits: Literal[4, 8]) -> onnx.ModelProto:
    """Stores weights of large dense layers in 4 or 8 bits, with a scale per block of 32.

    The layers become ONNX Runtime's MatMulNBits, which widens weights as it reads them.
    """
    names = list(dense_layers(model))
    with _quiet():
        # The import configures the root logger.
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        packer = MatMulNBitsQuantizer(
            split_gemm(model, names),
            bits=bits,
            block_size=32,
            is_symmetric=True,
            accuracy_level=4,
            nodes_to_include=names,
        )
        packer.process()
    return with_metadata(packer.model.model, model)


def dense_layers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Returns the weights (outputs, inputs) of Gemm nodes with at least 100,000, by node name."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        node.name: tensors[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Gemm" and np.prod(tensors[node.input[1]].dims) >= _LARGE_WEIGHTS
    }


def split_gemm(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Replaces the named Gemm nodes by MatMul, of the same name, and Add."""
    split = onnx.ModelProto()
    split.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in split.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in split.graph.node:
        if node.name not in names:
            nodes.append(node)
            continue
        layer_input, weight, bias = node.input
        transposed = np.ascontiguousarray(numpy_helper.to_array(tensors[weight]).T)
        tensors[weight].CopyFrom(numpy_helper.from_array(transposed, weight))
        product = f"{node.output[0]}_product"
        nodes.append(
            onnx.helper.make_node("MatMul", [layer_input, weight], [product], name=node.name)
        )
        nodes.append(onnx.helper.make_node("Add", [product, bias], [node.output[0]]))
    del split.graph.node[:]
    split.graph.node.extend(nodes)
    return split


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences ONNX Runtime's tools, which print and log their progress."""
    root = logging.getLogger()
    level, handlers, disabled = root.level, root.handlers[:], root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.disable(disabled)
