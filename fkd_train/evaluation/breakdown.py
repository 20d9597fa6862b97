"""Divides an evaluation by data set, by source of the images, and by the turn of the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import Evaluation
from fkd_train.evaluation.face_geometry import yaws
from fkd_train.evaluation.metrics import failure_rate

YAWS = (0, 15, 30, 60, 90)
"""Degrees of estimated yaw, to either side, that divide faces."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the evaluated faces, with its errors in percent of the interocular distance."""

    name: str
    count: int
    nme: float
    failure_rate_10: float


def breakdown(evaluation: Evaluation) -> tuple[Part, ...]:
    """Evaluates each part of the faces that has any, if there are at least two of its kind."""
    errors = evaluation.face_errors
    return tuple(
        Part(
            name, int(inside.sum()), float(errors[inside].mean()), failure_rate(errors[inside], 10)
        )
        for kind in _kinds(evaluation.faces)
        if len(kind) > 1
        for name, inside in kind.items()
    )


def _kinds(faces: Faces) -> Iterator[dict[str, NDArray[np.bool_]]]:
    """Yields which faces (n,) are in each part, for each way to divide them."""
    sets = np.array(faces.sets)
    yield {name: sets == name for name in dict.fromkeys(faces.sets)}
    folders = np.array(
        [f"{known}: {_folder(name)}" for known, name in zip(faces.sets, faces.names, strict=True)]
    )
    yield {
        name: folders == name for name in sorted(set(folders.tolist())) if not name.endswith(": ")
    }
    turns = yaws(faces.points, faces.scheme)
    if turns is not None:
        bins = np.digitize(np.abs(turns), YAWS[1:-1])
        yield {
            f"yaw {low} to {high}°": bins == number
            for number, (low, high) in enumerate(pairwise(YAWS))
            if (bins == number).any()
        }


def _folder(name: str) -> str:
    """The first folder of an image's name, which 300-W names after its source."""
    folder, slash, _ = name.partition("/")
    return folder if slash else ""
