"""The faces of one frame as they were tracked, before they are smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import derived_boxes
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.tracking.association import squares
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.types import Face


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """The faces of the frame at `time`, by id; their boxes are tight squares around the points.

    A frame that `starts_shot` is the first of its source, or follows a cut: nothing is smoothed
    across it. In a `contested` frame, the ids of tracks decided which of them keeps a face.
    `searched` tells whether the detector ran.
    """

    time: Fraction
    faces: Sequence[Face]
    starts_shot: bool = False
    contested: bool = False
    searched: bool = False


def finished_faces(tracked: TrackedFrame, smoother: Smoother, rule: BoxRule) -> list[Face]:
    """The faces of the next frame, smoothed, with boxes as a detector of this rule draws them."""
    if tracked.starts_shot:
        smoother.reset()
    faces = smoother(tracked.time, tracked.faces)
    return [replace(face, box=_detector_box(face, rule)) for face in faces]


def _detector_box(face: Face, rule: BoxRule) -> Floats:
    """The box (4,) as the detector would draw it around the points."""
    inverse = BoxRule(1 / rule.scale, (-rule.shift[0] / rule.scale, -rule.shift[1] / rule.scale))
    square, rolls = squares(face.points[None]), np.array([face.roll], np.float32)
    box: Floats = derived_boxes(square, inverse, rolls)[0]
    return box
