"""Drawn worlds in which everybody's place is known: a tracker, its detector and its network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

import numpy as np
import tiny_models

from fkd_infer.detection.base import Detector
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.landmark import InputSpec
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.providers.registry import find_provider
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Detections, Face, Frame, Prediction

SIDE = 40
"""Of a drawn face: a square of one grey level, which is who it is."""
GREYS = (120, 160, 200, 240)
CIRCLE = (tiny_models.fixed_points() - 7.5) / 12
"""Points of a face one unit wide."""


def drawn(grey: int) -> Pixels:
    """The picture of a face (SIDE, SIDE, 3): each has spots of its own in green and red."""
    spots = np.random.default_rng(grey).uniform(-11, 11, (5, 5))
    face = np.full((SIDE, SIDE, 3), grey, np.uint8)
    face[..., 1:] = (grey + np.kron(spots, np.ones((SIDE // 5, SIDE // 5))))[..., None]
    return face


class DrawnFaces:
    """A network that sees the square in the middle of a crop, or else the largest square."""

    execution_provider = find_provider("cpu")

    def __init__(self, score: bool = True) -> None:
        self.card = replace(tiny_models.card(score), input=InputSpec(64, 1))
        self.rows = 0
        self.frame = 0
        self.blind = range(0)
        """The frames in which it sees no face."""

    def run(self, batch: Pixels) -> Prediction:
        """Points around the square, and the score 1 if there is one."""
        self.rows += len(batch)
        found = [self._look(crop[..., 0]) for crop in batch]
        points = np.array([points for points, _ in found], np.float32).reshape(-1, 68, 2)
        seen = self.frame not in self.blind
        scores = np.array([score * seen for _, score in found], np.float32)
        return Prediction(points, scores if self.card.output.score else None)

    def _look(self, crop: Pixels) -> tuple[Floats, float]:
        inside = [np.abs(crop.astype(int) - grey) < 12 for grey in GREYS]
        areas = [int(mask.sum()) for mask in inside]
        middle = [int(mask[28:36, 28:36].sum()) for mask in inside]
        best = int(np.argmax(middle if max(middle) else areas))
        if areas[best] < 100:
            return (CIRCLE * 40 + 31.5).astype(np.float32), 0.0
        rows, columns = np.nonzero(inside[best])
        centre = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
        side = max(np.ptp(columns), np.ptp(rows)) + 1
        return (CIRCLE * side + centre).astype(np.float32), 1.0


class DrawnDetector(Detector):
    """Detects every square that is at least half visible, except those of `blind` grey levels."""

    rule = BoxRule(0.8, (0.0, 0.1))

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.blind: set[int] = set()
        self.frame = 0

    def __call__(self, image: Pixels) -> Detections:
        self.calls.append(self.frame)
        boxes = []
        for grey in set(GREYS) - self.blind:
            mask = image[..., 0] == grey
            if mask.sum() >= SIDE * SIDE / 2:
                rows, columns = np.nonzero(mask)
                centre = np.array([columns.mean(), rows.mean()]) - (0, 0.1 * SIDE / 0.8)
                boxes.append([*(centre - SIDE / 1.6), *(centre + SIDE / 1.6)])
        scores = np.full(len(boxes), 0.9, np.float32)
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores)


Place = tuple[float, float] | None
Path = Callable[[int], Place]


@dataclass
class World:
    """A tracker in a drawn world; the later squares of `paths` are in front."""

    tracker: Tracker
    detector: DrawnDetector
    session: DrawnFaces

    def see(
        self, paths: Sequence[Path], frames: Iterable[int], rate: int = 30, stripes: int = 0
    ) -> list[dict[int, Face]]:
        """The faces of each frame, by id; `stripes` is the grey level of what is behind them."""
        seen = []
        for index in frames:
            image = np.zeros((240, 320, 3), np.uint8)
            image[:, (np.arange(320) // 40) % 2 == 0] = stripes
            for path, grey in zip(paths, GREYS, strict=False):
                if (place := path(index)) is not None:
                    x, y = (int(n - SIDE / 2) for n in place)
                    square = image[max(0, y) : max(0, y + SIDE), max(0, x) : max(0, x + SIDE)]
                    square[...] = drawn(grey)[max(0, -y) :, max(0, -x) :][: len(square)][
                        :, : square.shape[1]
                    ]
            self.detector.frame = self.session.frame = index
            faces = self.tracker(Frame(image, "world", index, Fraction(index, rate)))
            assert len({face.id for face in faces}) == len(faces)
            seen.append({face.id or 0: face for face in faces})
        return seen


def world(detect_every: int | None = None, score: bool = True) -> World:
    session, detector = DrawnFaces(score), DrawnDetector()
    pipeline = Pipeline(cast(LandmarkSession, session), detector)
    return World(Tracker(pipeline, detector, detect_every), detector, session)


def still(x: float, y: float) -> Path:
    return lambda _: (x, y)


def centre(face: Face) -> Floats:
    box = points_box(face.points)
    return np.asarray((box[:2] + box[2:]) / 2)
