"""Somebody's ONNX file of a landmark network, as a source of exports."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.inliner import inline_local_functions

from fkd_infer.errors import one_line
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.allowed_operators import CONTROL_FLOW
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.check import check_model
from fkd_infer.types import Prediction
from fkd_train.choices import Layout
from fkd_train.errors import NetworkError
from fkd_train.evaluation.predict import Predict
from fkd_train.export.sources.border import Border, find_points
from fkd_train.export.sources.onnx_graph import OnnxNetwork, bordered_graph, with_batch
from fkd_train.export.torch_to_onnx import GraphSettings
from fkd_train.graphs.opset import with_opset
from fkd_train.graphs.session import cpu_session, run_batches

_FIX = "the runtime runs networks of plain tensor operators only"
_DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.UINT8: np.dtype(np.uint8),
}


@dataclass(frozen=True)
class ImageInput:
    """A network's only input; None in its shape stands for any size."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, model: onnx.ModelProto, path: Path) -> ImageInput:
        """Reads it; raises NetworkError if there are several, or for one that takes no pixels."""
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [info for info in model.graph.input if info.name not in constants]
        if len(inputs) != 1:
            names = ", ".join(info.name for info in inputs)
            problem = f"it has {len(inputs)} inputs ({names}), but one is expected"
            raise NetworkError(path, problem, "export it with the image as its only input")
        tensor = inputs[0].type.tensor_type
        if tensor.elem_type not in _DTYPES:
            kind = TensorProto.DataType.Name(tensor.elem_type).lower()
            raise NetworkError(path, f"its input {inputs[0].name} is of type {kind}, not float")
        shape = tuple(dim.dim_value or None for dim in tensor.shape.dim)
        return cls(inputs[0].name, _DTYPES[tensor.elem_type], shape)

    @property
    def batch(self) -> int | None:
        """Its batch size, None for any."""
        return self.shape[0] if self.shape else None

    def layouts(self) -> Iterator[tuple[Layout, int | None, int | None]]:
        """Yields the layouts that its shape allows, each with channels and side."""
        if len(self.shape) == 4:
            _, first, middle, last = self.shape
            if first in (1, 3, None) and fits(middle, last):
                yield "nchw", first, middle or last
            if last in (1, 3, None) and fits(first, middle):
                yield "nhwc", last, first or middle

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides})"


def fits(one: int | None, other: int | None) -> bool:
    """Whether two sides can be equal; None is any."""
    return one is None or other is None or one == other


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file, its input, and the name of its output with the points, if it was stated."""

    path: Path
    model: onnx.ModelProto
    image: ImageInput
    points: str | None = None

    @classmethod
    def load(cls, path: Path, points: str | None = None) -> OnnxFile:
        """Reads a file; raises InvalidModelError, and NetworkError if it is no network for us."""
        if not path.exists():
            raise NetworkError(path, "no such file")
        file = check_model(path, _FIX)
        if METADATA_KEY in file.metadata:
            fix = "it needs no other export: all commands take it as it is"
            raise NetworkError(path, "fkd-export wrote this file", fix)
        if branches := sorted(name for _, name in file.operators & CONTROL_FLOW):
            fix = "export the network without branches and loops"
            raise NetworkError(path, f"it has the operators {', '.join(branches)}", fix)
        model = onnx.load(path)
        if model.functions:
            model = inline_local_functions(model)
        return cls(path, model, ImageInput.of(model, path), points)

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def architecture(self) -> str:
        """Its own name."""
        return f"ONNX file {self.path.name}"

    @cached_property
    def digest(self) -> str:
        """The sha256 of its weights, in the order of their names."""
        digest = hashlib.sha256()
        for tensor in sorted(self.model.graph.initializer, key=lambda tensor: tensor.name):
            digest.update(tensor.name.encode() + numpy_helper.to_array(tensor).tobytes())
        return digest.hexdigest()

    @cached_property
    def _session(self) -> Any:
        try:
            return cpu_session(self.path)
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise NetworkError(
                self.path, f"ONNX Runtime cannot open it: {one_line(error)}"
            ) from error

    def predict(self, border: Border, count: int) -> Predict:
        """Predicts with the file as it is, fed by hand; raises NetworkError if it cannot run."""
        points = self._points_output(border, count)

        def predict(crops: Pixels) -> Prediction:
            (output,) = self._run([points], border, crops)
            return Prediction(border.points(output, count))

        return predict

    def _run(self, names: Sequence[str], border: Border, crops: Pixels) -> list[NDArray[Any]]:
        """Runs the file on crops, fed by hand."""
        fed = border.feed(crops).astype(self.image.dtype)
        return run_batches(self._session, names, (self.image.name, fed), self.image.batch)

    def _points_output(self, border: Border, count: int) -> str:
        """The output with the points, by the shapes that a run gives."""
        crops = np.zeros((1, border.size, border.size, border.channels), np.uint8)
        names = [info.name for info in self.model.graph.output]
        try:
            outputs = self._run(names, border, crops)
        except Exception as error:  # ONNX Runtime's errors share no other base
            problem = f"it does not run on crops of {border.size} px: {one_line(error)}"
            fix = "state --input and --input-layout as the network needs them"
            raise NetworkError(self.path, problem, fix) from error
        shapes = {name: output.shape for name, output in zip(names, outputs, strict=True)}
        return find_points(self.name, shapes, count, self.points)

    def graph(self, border: Border, count: int, settings: GraphSettings) -> onnx.ModelProto:
        """Builds the graph behind the border; raises NetworkError."""
        try:
            model = with_opset(self.model, settings.traced_opset)
        except NetworkError as error:
            raise error.about(self.name) from error
        network = OnnxNetwork(model, self.image.name, self._points_output(border, count))
        if settings.batch != network.batch:
            network = self._with_batch(network, border, settings.batch)
        return bordered_graph(network, border, count, settings.border)

    def _with_batch(self, network: OnnxNetwork, border: Border, batch: int | None) -> OnnxNetwork:
        """The graph for another batch size; raises NetworkError if it depends on its own."""
        changed = with_batch(network, batch)
        count = batch or 2 * (network.batch or 1)
        crops = np.zeros((count, border.size, border.size, border.channels), np.uint8)
        fed = {self.image.name: border.feed(crops).astype(self.image.dtype)}
        problem = f"it was made for batches of {network.batch or 'any size'}"
        fix = f"export it with --batch {network.batch or 'dynamic'}"
        try:
            (output,) = cpu_session(changed.model).run([changed.points], fed)
        except Exception as error:  # ONNX Runtime's errors share no other base
            raise NetworkError(self.path, f"{problem}: {one_line(error)}", fix) from error
        if len(output) != count:
            raise NetworkError(self.path, f"{problem}: it gives {len(output)} of {count}", fix)
        return changed
