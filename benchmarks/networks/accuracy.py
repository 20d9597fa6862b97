"""How well files place points, with intervals that take a person's pictures as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, digest
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import Split
from fkd_train.data.dataset import person
from fkd_train.evaluation.comparison import EvaluationProtocol, Result, compare, distinct_names

COMMAND = "accuracy"


def accuracy(
    files: Sequence[Path],
    data: Path,
    splits: Sequence[Split],
    boxes: Sequence[str],
    recorder: Recorder,
) -> None:
    """Measures all files on the same faces, for each split and kind of box.

    The people whom the identity split holds out are in the official split's training rows, so a
    network that was trained on those is left out there.
    """
    trained = {file: _trained_on(file) for file in files}
    names = dict(zip(files, distinct_names(files), strict=True))
    for split in splits:
        able = [file for file in files if split == "official" or trained[file] == split]
        for file in files:
            if file not in able:
                why = "it was trained on the official split, which has these people"
                recorder.left_out(LeftOut(COMMAND, names[file], f"{split} split", why))
        for kind in boxes if able else ():
            comparison = compare(
                able, EvaluationProtocol(data, split, "model", kind, perturb=False)
            )
            conditions: dict[str, str] = {"split": split, "boxes": kind}
            for result in comparison.results:
                figures = _figures(result, comparison.total)
                name, sha256 = names[result.path], digest(find_checkpoint(result.path, "last"))
                recorder.measured(
                    Measurement(COMMAND, name, "as fkd-eval", conditions, figures, sha256)
                )


def _trained_on(file: Path) -> str:
    """The split that a network was trained on."""
    if file.suffix == ".onnx":
        return LandmarkSession(file, "cpu").card.training.split
    return load_landmark_network(find_checkpoint(file, "last"))[1].split


def _figures(result: Result, total: int) -> dict[str, Figure]:
    """NME with an interval over people, since frames of one person are much alike."""
    evaluation = result.evaluation
    figures = evaluation.accuracy
    people = [person(name) for name in evaluation.faces.names]
    mean = statistics.mean_over_groups(evaluation.face_errors.astype(np.float64), people)
    return {
        "NME": Figure.of(mean, "%"),
        "median": Figure(figures.median, "%"),
        "failures above 8": Figure(figures.failure_rate_8, "%"),
        "failures above 10": Figure(figures.failure_rate_10, "%"),
        "AUC@10": Figure(figures.auc_10, "%"),
        "faces": Figure(figures.count, f"of {total}"),
        "people": Figure(len(set(people)), ""),
        "file": Figure(result.file_bytes / 1e6, "MB"),
    }
