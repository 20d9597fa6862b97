"""A landmark network that fkd did not train, as a source of exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import onnx

from fkd_infer.geometry.rules import CropRule
from fkd_infer.landmarks.schemes import IBUG68, SCHEMES, LandmarkScheme, find_scheme
from fkd_infer.models.cards.base import Training
from fkd_infer.models.cards.landmark import InputSpec, ModelCard
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.errors import NetworkError
from fkd_train.evaluation.metrics import Array
from fkd_train.evaluation.predict import Predict, predict_all
from fkd_train.export.cards import exporter_versions
from fkd_train.export.sources.border import Border
from fkd_train.export.sources.framing import Error, best_scale, fitted_crop, with_crop
from fkd_train.export.sources.source import ExportData, LandmarkSource
from fkd_train.export.sources.statement import Statement, doubts, face_errors, refute
from fkd_train.export.torch_to_onnx import GraphSettings
from fkd_train.export.verify import verification_faces

_CALIBRATION_FACES = 96
_NOT_STATED = "not stated"
_NO_RULES = (
    "without --data and --boxes, it has no rules for detectors' boxes, and fkd-infer needs boxes "
    "around the points (--boxes FILE) or faces cut out (--detector none)"
)


class ForeignNetwork(Protocol):
    """A network of others."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def architecture(self) -> str:
        """What it is, for the card."""

    @property
    def digest(self) -> str:
        """The sha256 of its weights."""

    def predict(self, border: Border, count: int) -> Predict:
        """Predicts `count` points, fed by hand."""

    def graph(self, border: Border, count: int, settings: GraphSettings) -> onnx.ModelProto:
        """Builds the graph from crops to points; raises NetworkError."""


def foreign_source(
    network: ForeignNetwork,
    card_name: str,
    statement: Statement,
    data: ExportData | None,
    settings: GraphSettings,
    *,
    check_statement: bool = True,
    notify: Callable[[str], None] = lambda _: None,
) -> LandmarkSource:
    """Makes a source of a network as its user describes it.

    With data, the statement is compared with others on training faces, a crop that is not stated
    is found on them, and the card has the accuracy on the evaluation faces. Raises NetworkError for
    a statement that the data refutes, and without data for one without a crop. `notify` receives
    what was found, and doubts.
    """
    scheme, border = statement.scheme, statement.border
    crop = statement.crop or CropRule(1.25)
    config = CropConfig(crop.scale, "points", crop.shift, crop.border)
    sampler = CropSampler(border.size, border.channels, config, scheme)
    if data is not None:
        faces = _calibration_faces(data)
        if check_statement:
            _check(network, statement, faces, sampler)
        if statement.crop is None:
            predict = network.predict(border, scheme.count)
            crop = fitted_crop(sampler, _mean_error(predict, faces))
            notify(f"crop: {crop.scale:g} times the points' box, moved down by {crop.shift[1]:g}")
    elif statement.crop is None:
        problem = "how it frames faces is not stated"
        fix = "add --crop SCALE (of the points' box), or --data DIR to find it on annotated faces"
        raise NetworkError(network.name, problem, fix)
    source = LandmarkSource(
        predict=network.predict(border, scheme.count),
        build_graph=lambda: network.graph(border, scheme.count, settings),
        card=_card(network, card_name, statement, crop, settings),
        sampler=with_crop(sampler, crop),
        data=data,
        is_own=False,
    )
    if data is None:
        drawn = verification_faces(None, source.sampler)
        doubt = doubts(predict_all(source.predict, drawn.crops).points, border)
        if doubt is not None:
            notify(f"warning: {network.name}: on drawn faces, {doubt}")
        if scheme != IBUG68 and not statement.box_rules:
            notify(f"warning: {network.name}: {_NO_RULES}")
    return source.measured()


def _calibration_faces(data: ExportData) -> Faces:
    faces = data.training_faces(data.colour)
    rows = np.linspace(0, len(faces) - 1, min(_CALIBRATION_FACES, len(faces)))
    return faces.rows(sorted({int(row) for row in rows}))


def _check(
    network: ForeignNetwork, statement: Statement, faces: Faces, sampler: CropSampler
) -> None:
    def errors(predict: Predict) -> Array:
        chosen = sampler
        if statement.crop is None:
            chosen = best_scale(sampler, _mean_error(predict, faces))
        return face_errors(predict, faces, chosen)

    count = statement.scheme.count
    refute(network.name, statement.border, lambda border: network.predict(border, count), errors)


def _mean_error(predict: Predict, faces: Faces) -> Error:
    return lambda sampler: float(face_errors(predict, faces, sampler).mean())


def _card(
    network: ForeignNetwork,
    name: str,
    statement: Statement,
    crop: CropRule,
    settings: GraphSettings,
) -> ModelCard:
    border = statement.border
    return ModelCard(
        name=name,
        architecture=network.architecture,
        scheme=_on_card(statement.scheme),
        input=InputSpec.of(border.size, border.channels, settings.border),
        crop=crop,
        precision="fp32",
        opset=settings.opset,
        training=Training(_NOT_STATED, _NOT_STATED, _NOT_STATED, 0, 0, network.digest),
        licence=_NOT_STATED,
        exporter=exporter_versions(),
        box_rules=dict(statement.box_rules),
    )


def _on_card(scheme: LandmarkScheme) -> str | LandmarkScheme:
    """A built-in scheme by its name, another one in full."""
    is_built_in = scheme.name in SCHEMES and scheme == find_scheme(scheme.name)
    return scheme.name if is_built_in else scheme
