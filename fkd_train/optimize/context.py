"""The fp32 graph and the training faces from which candidates are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from fkd_infer.choices import Platform, Provider
from fkd_infer.errors import ProviderError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.registry import usable_providers
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import evaluate, evaluation_crops

_SELECTION_FACES = 400


@dataclass(frozen=True)
class OptimizationContext:
    """The fp32 graph, training faces, and a folder for temporary files.

    Half of the faces calibrate; the other half select among variants of a candidate, which may lose
    at most `budget` points of NME. The evaluation faces are not used here.
    """

    fp32: onnx.ModelProto
    sampler: CropSampler
    training: Faces
    budget: float
    platform: Platform
    folder: Path

    def calibration_crops(self, count: int) -> Pixels:
        """Cuts crops (n, S, S, C) of at most `count` calibration faces."""
        return evaluation_crops(_every_other(self.training, 0, count), self.sampler)[0]

    def nme(self, model: onnx.ModelProto) -> float:
        """Measures the NME on the selection faces, in percent."""
        faces = _every_other(self.training, 1, _SELECTION_FACES)
        session = LandmarkSession(self.save(model, "tried"), "cpu")
        return evaluate(session.run, faces, self.sampler).accuracy.nme

    def half_precision_provider(self) -> Provider | None:
        """Returns the first provider, with its device, that runs the fp32 graph here and gains from
        half precision; a provider that ONNX Runtime was built with may not start."""
        path = self.save(self.fp32, "tried")
        for provider in usable_providers(import_onnxruntime()):
            if provider.half_precision and provider.automatic:
                choice = ProviderChoice(provider.name, provider.auto_device)
                try:
                    LandmarkSession(path, choice)
                except ProviderError:
                    continue
                return str(choice)
        return None

    def save(self, model: onnx.ModelProto, name: str) -> Path:
        """Writes the model into the folder; returns its path."""
        path = self.folder / f"{name}.onnx"
        onnx.save(model, path)
        return path


def _every_other(faces: Faces, first: int, count: int) -> Faces:
    """Selects at most `count` of every other face, evenly spread."""
    rows = range(first, len(faces), 2)
    return faces.rows(rows[:: max(1, -(-len(rows) // count))])
