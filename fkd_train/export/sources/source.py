"""A landmark network to export, wherever it comes from, and the data that it is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import onnx

from fkd_infer.geometry.rules import BoxRule
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.models.cards.landmark import LandmarkAccuracy, ModelCard
from fkd_train.choices import Split
from fkd_train.config.sections import DataConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, load_evaluation, load_split
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import ConventionOffsets, Evaluation, evaluate
from fkd_train.evaluation.calibration import scheme_rules
from fkd_train.evaluation.predict import Predict
from fkd_train.export.cards import splits


@dataclass(frozen=True)
class ExportData:
    """The data sets that an exported network is measured on, as a recipe or an option splits them.

    `colour` is whether the network sees colours.
    """

    folders: DataFolders
    split: Split
    scheme: LandmarkScheme
    colour: bool
    configs: tuple[DataConfig, ...] = ()

    @cached_property
    def faces(self) -> Faces:
        """The evaluation faces."""
        return self.evaluation_faces(self.colour)

    def evaluation_faces(self, colour: bool) -> Faces:
        """The evaluation faces, in colour or gray."""
        return load_evaluation(self.folders, self.split, self.scheme, colour, self.configs)

    def training_faces(self, colour: bool) -> Faces:
        """The training faces, in colour or gray."""
        return load_split(self.folders, self.split, self.scheme, colour, self.configs)[0]

    @property
    def split_name(self) -> str:
        """The name of the evaluation faces."""
        return f"{splits(self.configs, self.split)} split"

    def box_rules(self) -> dict[str, BoxRule]:
        """Fits rules from detectors' boxes to the scheme's points; iBUG's 68 have their own."""
        return {} if self.scheme == IBUG68 else scheme_rules(self.training_faces(colour=True))

    def accuracies(self, evaluation: Evaluation) -> dict[str, LandmarkAccuracy]:
        """The evaluation of each data set in the form of the card, by data set and split."""
        parts = evaluation.by_set()
        own_splits = {row.name: row.split for row in self.configs}
        named = {}
        for name, part in parts.items():
            split = f"{own_splits.get(name) or self.split} split"
            accuracy = part.accuracy
            named[split if len(parts) == 1 else f"{name}, {split}"] = LandmarkAccuracy(
                accuracy.nme, accuracy.failure_rate_10, accuracy.count, part.seed_mse
            )
        return named


@dataclass(frozen=True)
class LandmarkSource:
    """A landmark network to export.

    `predict` is the network itself, which the file has to equal; `build_graph` builds its graph,
    without a card. `card` is the fp32 file's, without parity. `conventions` are the offsets to the
    points of each data set's annotators. `is_own` for a network of fkd's, whose graph all passes
    can simplify.
    """

    predict: Predict
    build_graph: Callable[[], onnx.ModelProto]
    card: ModelCard
    sampler: CropSampler
    data: ExportData | None = None
    conventions: ConventionOffsets = field(default_factory=dict)
    is_own: bool = True

    def evaluate(self, predict: Predict, data: ExportData) -> Evaluation:
        """Evaluates the network, or a file of it, on the data's faces, in the runtime's crops."""
        return evaluate(predict, data.faces, self.sampler, conventions=self.conventions)

    def measured(self) -> Self:
        """The same source, with the accuracy on its data and rules for detectors' boxes on its
        card; without data, the source itself."""
        if self.data is None:
            return self
        accuracy = self.data.accuracies(self.evaluate(self.predict, self.data))
        rules = self.card.box_rules or self.data.box_rules()
        return replace(self, card=replace(self.card, accuracy=accuracy, box_rules=rules))
