"""Compares landmark networks on the same faces by the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fkd_infer.detection.base import Detector
from fkd_infer.errors import NonFiniteOutputError
from fkd_train.checkpoints import find_checkpoint
from fkd_train.choices import CropProtocol, Split
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, load_evaluation
from fkd_train.data.faces import Faces
from fkd_train.errors import RunError
from fkd_train.evaluation.accuracy import Evaluation, evaluate, evaluate_detected
from fkd_train.evaluation.breakdown import breakdown
from fkd_train.evaluation.predict import Predict, open_model
from fkd_train.evaluation.presence import ScoreReport, measure_score
from fkd_train.evaluation.robustness import Robustness, robustness


@dataclass(frozen=True)
class EvaluationProtocol:
    """The data set, crops and boxes of an evaluation, and its optional parts."""

    data: DataFolders
    split: Split
    crop: CropProtocol
    boxes: str
    perturb: bool
    score: bool = False
    refine: bool = True
    detector_model: Path | None = None
    convention: str | None = None

    def detector(self) -> Detector | None:
        """Opens the detector, None for the true points' boxes; raises DetectorError."""
        if self.boxes == "points":
            return None
        from fkd_train.evaluation.calibration import open_detector

        return open_detector(self.boxes, self.detector_model)


@dataclass(frozen=True)
class Result:
    """The evaluation of one network, with a name that is unique in the comparison."""

    name: str
    path: Path
    file_bytes: int
    sampler: CropSampler
    evaluation: Evaluation
    robustness: tuple[Robustness, ...]
    score: ScoreReport | None = None

    def metrics(self) -> dict[str, object]:
        """Returns the metrics as plain data."""
        metrics = self.evaluation.metrics()
        metrics["parts"] = [asdict(part) for part in breakdown(self.evaluation)]
        if self.robustness:
            metrics["robustness"] = [asdict(row) for row in self.robustness]
        if self.score:
            metrics["score"] = asdict(self.score)
        return metrics


@dataclass(frozen=True)
class Comparison:
    """Results on the same faces: those of all `total` faces that have a box."""

    protocol: EvaluationProtocol
    total: int
    results: tuple[Result, ...]

    @property
    def faces(self) -> Faces:
        """The evaluated faces."""
        return self.results[0].evaluation.faces


def compare(models: Sequence[Path], protocol: EvaluationProtocol) -> Comparison:
    """Evaluates models, each path once.

    Raises RunError if their schemes differ, and NonFiniteOutputError for a broken model.
    """
    paths = list({path.absolute(): path for path in models}.values())
    opened = [open_model(path, protocol.crop, protocol.convention) for path in paths]
    samplers = [sampler for _, sampler in opened]
    _check_schemes(paths, samplers)
    detector = protocol.detector()
    colour = detector is not None or any(sampler.in_colour for sampler in samplers)
    faces = load_evaluation(protocol.data, protocol.split, samplers[0].scheme, colour)
    results = [
        _measure(name, path, predict, sampler, faces, protocol, detector)
        for name, path, (predict, sampler) in zip(distinct_names(paths), paths, opened, strict=True)
    ]
    return Comparison(protocol, len(faces), tuple(results))


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Returns the last part of each path, with as many parent folders as make it unique."""
    return [_shortest(path.absolute(), [p.absolute() for p in paths]) for path in paths]


def _shortest(path: Path, others: Sequence[Path]) -> str:
    ends = (path.parts[-depth:] for depth in range(1, len(path.parts) + 1))
    unique = (end for end in ends if sum(p.parts[-len(end) :] == end for p in others) == 1)
    return str(Path(*next(unique)))


def _check_schemes(paths: Sequence[Path], samplers: Sequence[CropSampler]) -> None:
    first = samplers[0].scheme
    for path, sampler in zip(paths, samplers, strict=True):
        if sampler.scheme != first:
            differ = f"its scheme is {sampler.scheme.name}, that of {paths[0]} is {first.name}"
            raise RunError(path, differ, "compare models of one scheme")


def _measure(
    name: str,
    path: Path,
    predict: Predict,
    sampler: CropSampler,
    faces: Faces,
    protocol: EvaluationProtocol,
    detector: Detector | None,
) -> Result:
    if detector is None:
        evaluation = evaluate(predict, faces, sampler)
    else:
        evaluation = evaluate_detected(predict, faces, sampler, detector, refine=protocol.refine)
    if not np.isfinite(evaluation.points).all():
        raise NonFiniteOutputError(str(path))
    return Result(
        name=name,
        path=path,
        file_bytes=find_checkpoint(path, "last").stat().st_size,
        sampler=sampler,
        evaluation=evaluation,
        robustness=robustness(predict, faces, sampler) if protocol.perturb else (),
        score=measure_score(predict, faces, sampler) if protocol.score else None,
    )
