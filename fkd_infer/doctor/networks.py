"""Checks of `fkd-infer doctor`: the shipped networks return what they should."""

from __future__ import annotations

import time

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor.finding import Finding
from fkd_infer.runtime.install import reinstall_command
from fkd_infer.runtime.providers.cpu import CPU

_TOLERANCE = 0.1
"""Largest error of a part of the drawn face, as a share of the crop's side."""
_MIN_SCORE = 0.5


def model() -> Finding:
    """The shipped model loads, and finds the parts of a drawn face."""
    from fkd_infer.runtime.proof import DRAWN_PARTS, drawn_face
    from fkd_infer.runtime.session import LandmarkSession

    start = time.perf_counter()
    session = LandmarkSession(DEFAULT_MODEL, CPU.name)
    loaded = time.perf_counter()
    spec = session.card.input
    face = drawn_face(spec.size)
    points, scores, _ = session.run(
        face.reshape(1, spec.size, spec.size, 1).repeat(spec.channels, 3)
    )
    end = time.perf_counter()
    fact = f"{session.path}: loaded in {(loaded - start) * 1e3:.0f} ms, first answer after "
    fact += f"{(end - loaded) * 1e3:.0f} ms more"
    groups = session.card.landmarks.groups
    wrong = [
        part
        for part, centre in DRAWN_PARTS.items()
        if not abs(points[0, list(groups[part])].mean(axis=0) / spec.size - centre).max()
        < _TOLERANCE
    ]
    problem = f"on a drawn face it puts {', '.join(wrong)} elsewhere" if wrong else None
    if problem is None and scores is not None and not scores[0] >= _MIN_SCORE:
        problem = f"it does not see a drawn face (score {scores[0]:.2f})"
    return Finding("model", fact, problem, reinstall_command() if problem else None)


def detector() -> Finding:
    """The shipped detector loads, and finds no face in a gray picture."""
    import numpy as np

    from fkd_infer.detection.fkd import FkdDetector

    start = time.perf_counter()
    detect = FkdDetector(provider=CPU.name)
    loaded = time.perf_counter()
    faces = len(detect(np.full((360, 640, 3), 128, np.uint8)))
    end = time.perf_counter()
    fact = (
        f"{detect.path}: loaded in {(loaded - start) * 1e3:.0f} ms, searched 640 × 360 pixels in "
    )
    fact += f"{(end - loaded) * 1e3:.0f} ms at first"
    problem = f"it finds {faces} faces on a gray picture" if faces else None
    return Finding("detector", fact, problem, reinstall_command() if problem else None)
