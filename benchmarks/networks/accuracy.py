"""Measures the accuracy of networks, with intervals that resample people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender, file_sha256
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import Split
from fkd_train.data.formats.keypoint_csv import person
from fkd_train.evaluation.comparison import EvaluationProtocol, Result, compare, distinct_names

COMMAND = "accuracy"


def measure_accuracy(
    files: Sequence[Path],
    data: Path,
    splits: Sequence[Split],
    boxes: Sequence[str],
    recorder: Recorder,
) -> None:
    """Measures all files on the same faces, for each split and kind of box.

    The official split trains on people whom the identity split holds out, so a network of the
    official split is skipped on the identity split.
    """
    training_splits = {file: _training_split(file) for file in files}
    names = dict(zip(files, distinct_names(files), strict=True))
    for split in splits:
        fair = [file for file in files if split in ("official", training_splits[file])]
        for file in files:
            if file not in fair:
                why = "trained on the official split, which includes these people"
                recorder.skip(SkippedContender(COMMAND, names[file], f"{split} split", why))
        for kind in boxes if fair else ():
            comparison = compare(
                fair, EvaluationProtocol(data, split, "model", kind, perturb=False)
            )
            conditions: dict[str, str] = {"split": split, "boxes": kind}
            for result in comparison.results:
                figures = _figures(result, comparison.total)
                name, sha256 = names[result.path], file_sha256(find_checkpoint(result.path, "last"))
                recorder.add(Measurement(COMMAND, name, "as fkd-eval", conditions, figures, sha256))


def _training_split(file: Path) -> str:
    if file.suffix == ".onnx":
        return LandmarkSession(file, "cpu").card.training.split
    return load_landmark_network(find_checkpoint(file, "last"))[1].split


def _figures(result: Result, total: int) -> dict[str, Figure]:
    """Accuracy; the interval resamples people, since frames of one person are much alike."""
    evaluation = result.evaluation
    accuracy = evaluation.accuracy
    people = [person(name) for name in evaluation.faces.names]
    mean = statistics.group_mean_interval(evaluation.face_errors.astype(np.float64), people)
    return {
        "NME": Figure.from_interval(mean, "%"),
        "median": Figure(accuracy.median, "%"),
        "failures above 8": Figure(accuracy.failure_rate_8, "%"),
        "failures above 10": Figure(accuracy.failure_rate_10, "%"),
        "AUC@10": Figure(accuracy.auc_10, "%"),
        "faces": Figure(accuracy.count, f"of {total}"),
        "people": Figure(len(set(people)), ""),
        "file": Figure(result.file_bytes / 1e6, "MB"),
    }
