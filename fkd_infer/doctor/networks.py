"""Checks of `fkd-infer doctor`: the shipped networks return what they should."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor.finding import Finding
from fkd_infer.runtime.install import REINSTALL
from fkd_infer.runtime.providers.cpu import CPU

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOLERANCE = 0.1
"""Largest error of a part of the drawn face, as a share of the crop's side."""
_MIN_SCORE = 0.5


def model() -> Finding:
    """The shipped model loads, and finds the parts of a drawn face."""
    from fkd_infer.runtime.session import LandmarkSession

    start = time.perf_counter()
    session = LandmarkSession(DEFAULT_MODEL, CPU.name)
    loaded = time.perf_counter()
    spec = session.card.input
    face, parts = _drawn_face(spec.size)
    points, scores, _ = session.run(
        face.reshape(1, spec.size, spec.size, 1).repeat(spec.channels, 3)
    )
    end = time.perf_counter()
    fact = f"{session.path}: loaded in {(loaded - start) * 1e3:.0f} ms, first answer after "
    fact += f"{(end - loaded) * 1e3:.0f} ms more"
    groups = session.card.landmarks.groups
    centres = {part: points[0, list(groups[part])].mean(axis=0) for part in parts}
    errors = {part: float(abs(centres[part] - parts[part]).max()) / spec.size for part in parts}
    wrong = [part for part in parts if not errors[part] < _TOLERANCE]
    problem = f"on a drawn face it puts {', '.join(wrong)} elsewhere" if wrong else None
    if problem is None and scores is not None and not scores[0] >= _MIN_SCORE:
        problem = f"it does not see a drawn face (score {scores[0]:.2f})"
    return Finding("model", fact, problem, REINSTALL if problem else None)


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
    return Finding("detector", fact, problem, REINSTALL if problem else None)


def _drawn_face(size: int) -> tuple[NDArray[np.uint8], dict[str, tuple[float, float]]]:
    """Returns a face (size, size) of ellipses, and the centres of its parts in pixels."""
    import numpy as np

    y, x = np.mgrid[:size, :size] / size
    face = np.full((size, size), 90, np.uint8)

    def ellipse(cx: float, cy: float, rx: float, ry: float, gray: int) -> None:
        face[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = gray

    eyes, mouth = {"right_eye": (0.36, 0.42), "left_eye": (0.64, 0.42)}, (0.5, 0.75)
    ellipse(0.5, 0.55, 0.34, 0.44, 190)
    for cx, cy in eyes.values():
        ellipse(cx, cy, 0.07, 0.04, 240)
        ellipse(cx, cy, 0.03, 0.04, 30)
        ellipse(cx, cy - 0.11, 0.09, 0.025, 60)
    ellipse(0.5, 0.58, 0.055, 0.03, 140)
    ellipse(*mouth, 0.125, 0.04, 110)
    parts = {**eyes, "outer_lips": mouth}
    return face, {part: (cx * size, cy * size) for part, (cx, cy) in parts.items()}
