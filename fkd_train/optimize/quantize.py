"""int8: static quantisation, calibrated on training crops, and weights alone in 8 or 4 bits."""

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
"""Activations, then weights: unsigned or signed."""
Calibrator = Literal["min-max", "entropy", "percentile"]

_TYPES = {"U": QuantType.QUInt8, "S": QuantType.QInt8}
_METHODS = {
    "min-max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
QUANTISED = ["Conv", "Gemm", "MatMul", "MaxPool", "Relu", "Reshape", "Flatten"]
"""Operators that have int8 kernels, and those between them that only move numbers."""
WEIGHTED = ("Conv", "Gemm", "MatMul")
_LARGE = 100_000
_CLOSE, _GAIN = 0.05, 0.02


@dataclass(frozen=True)
class Int8Scheme:
    """One way of static quantisation.

    `reduce_range` keeps weights in 7 bits, for CPUs that add products of bytes in 16 bits and
    saturate there; `last_in_float` leaves so many of the last layers with weights in fp32.
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
"""What may be tried for a CPU. Without dot products of bytes, x86 saturates in U8S8 and S8S8 at
full range, which no measurement on a newer CPU would show."""


_STEPS: tuple[Callable[[Int8Scheme], Int8Scheme], ...] = (
    lambda best: replace(best, per_channel=False),
    lambda best: replace(best, calibrator="entropy"),
    lambda best: replace(best, calibrator="percentile"),
    lambda best: replace(best, last_in_float=1),
    lambda best: replace(best, last_in_float=2),
)


def choose(
    calibrated: Callable[[Int8Scheme], float],
    platform: Platform,
    fastest: Callable[[Sequence[Int8Scheme]], Int8Scheme],
) -> Int8Scheme:
    """The scheme of a search in steps: integers, then channels, calibrator, layers left out.

    `calibrated` answers a scheme's change of NME. The integers are the `fastest` ones among those
    whose NME is within 0.05 points of the best; each later step stays where it lowers the NME by
    0.02 points or more.
    """
    changes = {scheme: calibrated(scheme) for scheme in SCHEMES[platform]}
    good = [s for s, change in changes.items() if change <= min(changes.values()) + _CLOSE]
    best = fastest(good) if len(good) > 1 else good[0]
    lowest = changes[best]
    for step in _STEPS:
        tried = step(best)
        change = calibrated(tried)
        if change <= lowest - _GAIN:
            best, lowest = tried, change
    return best


class Quantizer:
    """Makes int8 models of one fp32 model, calibrated on images as its input `image` takes them;
    `operators` are those that become int8, and those between them, but for nodes of the names
    `in_float`."""

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
        # A file, since a model in memory is moved to a temporary file of weights, and stays there.
        onnx.save(model, folder / "fp32.onnx")

    def __call__(self, scheme: Int8Scheme) -> onnx.ModelProto:
        """The model under a scheme; metadata is kept."""
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
                    *_last_weighted(self._model, scheme.last_in_float),
                ],
                calibrate_method=_METHODS[scheme.calibrator],
                calibration_cache_path=self._folder / f"{scheme.calibrator}.json",
            )
        return with_metadata(onnx.load(out), self._model)


class _Images(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
    """Calibration's feed: one image at a time."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        self._feeds = ({"image": image} for image in images)

    def get_next(self) -> dict[str, Pixels] | None:
        """The next image, as the network takes it; None at the end."""
        return next(self._feeds, None)


def _last_weighted(model: onnx.ModelProto, count: int) -> list[str]:
    """Names of the last layers that have weights."""
    names = [node.name for node in model.graph.node if node.op_type in WEIGHTED]
    return names[len(names) - count :]


def pack_dense(model: onnx.ModelProto, bits: Literal[4, 8]) -> onnx.ModelProto:
    """Large dense layers with weights of 4 or 8 bits, a scale for each block of 32 of them.

    They become ONNX Runtime's MatMulNBits, which widens weights as it reads them; all else stays.
    """
    names = list(dense_layers(model))
    with _quiet():
        # Its import configures the logging of the whole program.
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
    """Weights (outputs, inputs) of the Gemm nodes with at least 100,000, by the node's name."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        node.name: tensors[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Gemm" and np.prod(tensors[node.input[1]].dims) >= _LARGE
    }


def split_gemm(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """The Gemm nodes of these names as MatMul, of the same name, and Add."""
    split = onnx.ModelProto()
    split.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in split.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in split.graph.node:
        if node.name not in names:
            nodes.append(node)
            continue
        given, weight, bias = node.input
        across = numpy_helper.to_array(tensors[weight]).T
        tensors[weight].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(across), weight))
        product = f"{node.output[0]}_product"
        nodes.append(onnx.helper.make_node("MatMul", [given, weight], [product], name=node.name))
        nodes.append(onnx.helper.make_node("Add", [product, bias], [node.output[0]]))
    del split.graph.node[:]
    split.graph.node.extend(nodes)
    return split


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tools print and log their progress, which is nobody's news."""
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
