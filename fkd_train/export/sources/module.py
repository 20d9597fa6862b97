"""Somebody's torch module of a landmark network, as a source of exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from fkd_infer.errors import one_line
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.cards.landmark import InputSpec, OutputSpec
from fkd_infer.types import Prediction
from fkd_train.errors import NetworkError, RunError
from fkd_train.evaluation.predict import Predict
from fkd_train.export.cards import weights_sha256
from fkd_train.export.sources.border import Border, find_points
from fkd_train.export.torch_to_onnx import GraphSettings, landmarks_to_onnx
from fkd_train.models.outside_code import import_factory
from fkd_train.models.spec import ModelSpec
from fkd_train.weights import fit_weights, read_weights


@dataclass(frozen=True)
class Module:
    """A torch module, the name of its factory, and that of its output with the points, if it was
    stated."""

    name: str
    module: nn.Module
    points: str | None = None

    @classmethod
    def load(
        cls,
        factory: str,
        weights: Path | None,
        spec: ModelSpec,
        points: str | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> Module:
        """Builds a module by `package.module:factory`, and loads its weights, by name.

        Raises NetworkError for a factory that gives no module, and RunError for weights that do not
        fit all of it. `notify` hears of a network without a file of weights.
        """
        module = import_factory(factory)(spec)
        if weights is None:
            notify(f"{factory}: without --weights, it has those that its factory gave it")
        else:
            fit_weights(module, read_weights(weights), weights).require_all()
            _check_finite(module, weights)
        return cls(factory, module.float().eval(), points)

    @property
    def architecture(self) -> str:
        """The name of its factory."""
        return self.name

    @cached_property
    def digest(self) -> str:
        """The sha256 of its weights."""
        return weights_sha256(self.module)

    def predict(self, border: Border, count: int) -> Predict:
        """Predicts with the module as it is, fed by hand; raises NetworkError if it cannot run."""
        name = self._points_output(border, count)

        def predict(crops: Pixels) -> Prediction:
            with torch.inference_mode():
                output = _outputs(self.module, torch.from_numpy(border.feed(crops)))[name]
            return Prediction(border.points(output.float().numpy(), count))

        return predict

    def _points_output(self, border: Border, count: int) -> str:
        """The output with the points, by the shapes that a run gives."""
        crops = np.zeros((2, border.size, border.size, border.channels), np.uint8)
        fed = torch.from_numpy(border.feed(crops))
        try:
            with torch.inference_mode():
                outputs = _outputs(self.module, fed)
        except Exception as error:  # whatever somebody's code raises
            problem = f"it does not run on an input {tuple(fed.shape)}: {one_line(error)}"
            raise NetworkError(self.name, problem, "state --input as it needs it") from error
        shapes = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
        return find_points(self.name, shapes, count, self.points)

    def graph(self, border: Border, count: int, settings: GraphSettings) -> onnx.ModelProto:
        """Exports the module behind the border; raises NetworkError."""
        name = self._points_output(border, count)
        bordered = BorderedModule(self.module, border, name, count, settings.border)
        spec = InputSpec.of(border.size, border.channels, settings.border)
        return landmarks_to_onnx(bordered.eval(), self.name, spec, OutputSpec(), settings)


def _check_finite(module: nn.Module, weights: Path) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            fix = "export it with weights of an earlier step"
            raise RunError(weights, f"{name} holds values that are not finite", fix)


def _outputs(module: nn.Module, planes: Tensor) -> dict[str, Tensor]:
    """The tensors that a module gives, by their names; those of a tuple are numbered."""
    return dict(_tensors(module(planes), "output"))


def _tensors(outputs: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(outputs, Tensor):
        yield name, outputs
    elif isinstance(outputs, dict):
        for key, part in outputs.items():
            yield from _tensors(part, str(key))
    elif isinstance(outputs, tuple | list):
        for number, part in enumerate(outputs):
            yield from _tensors(part, str(number))


class BorderedModule(nn.Module):
    """A module of others, from crops to points in crop pixels; see `bordered_graph`."""

    def __init__(
        self, module: nn.Module, border: Border, points: str, count: int, with_border: bool
    ) -> None:
        super().__init__()
        self.module = module
        self.points = points
        self.count = count
        self.with_border = with_border
        # An index is exported as one Gather, which a pass folds into the first convolution.
        order = [2, 1, 0] if border.color == ("rgb" if with_border else "bgr") else None
        scale, offset = map(torch.from_numpy, border.scale_and_offset)
        unit = 1 if with_border else 255  # planes are in [0, 1] already
        self.order: Tensor | None
        self.scale: Tensor
        self.offset: Tensor | None
        self.register_buffer("order", None if order is None else torch.tensor(order))
        self.register_buffer("scale", unit * scale.reshape(-1, 1, 1))
        self.register_buffer("offset", offset.reshape(-1, 1, 1) if offset.any() else None)
        self.point_scale, self.point_offset = border.point_scale_and_offset

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Points (N, count, 2) in crop pixels."""
        planes = image.permute(0, 3, 1, 2).float() if self.with_border else image
        if self.order is not None:
            planes = planes.index_select(1, self.order)
        planes = planes * self.scale
        if self.offset is not None:
            planes = planes + self.offset
        output = _outputs(self.module, planes)[self.points].float()
        places = output.reshape(output.shape[0], self.count, -1)[..., :2]
        return (places * self.point_scale + self.point_offset,)
