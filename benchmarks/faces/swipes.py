"""Measures tracking through motion blur: frames without the face, predicted faces, false faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from skimage import data as pictures

from benchmarks.faces.motion import RATE
from benchmarks.faces.swiped_face import REST, SWIPE, Cutout, Swipe, SwipedFace, widened
from benchmarks.faces.tracking import Photo, sample_photos
from benchmarks.harness.results import Figure, Measurement, Recorder, file_sha256
from fkd_infer.choices import DEFAULT_DETECTOR
from fkd_infer.detection.base import Detector, SizedDetector
from fkd_infer.detection.registry import find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.loading import load
from fkd_infer.pipeline import Pipeline
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face

COMMAND = "swipes"
STAYING = ((250, 20), (250, 60), (150, 60), (100, 60), (100, 80))
"""Sides of a face's points, in pixels, and speeds, in pixels a frame."""
SIDE, SPEED = 150, 60
"""Of the faces that do not stay."""


@dataclass
class Counts:
    """What a tracker showed of some clips."""

    clips: int = 0
    frames: int = 0
    missing: int = 0
    """Frames without a face that is there."""
    predicted: int = 0
    false: int = 0
    """Faces where none is."""
    late: int = 0
    """Frames from the one in which a face is gone to the last one that shows it."""
    ids: int = 0
    seen_errors: list[float] = field(default_factory=list)
    predicted_errors: list[float] = field(default_factory=list)

    def figures(self, stays: bool) -> dict[str, Figure]:
        """Figures per swipe of faces that stay, or per clip of faces that do not."""
        if not stays:
            return {
                "false faces": Figure(60 * RATE * self.false / self.frames, "per minute"),
                "shown for": Figure(self.late, "frames at most"),
            }
        swipes = 2 * self.clips
        errors = {"error": self.seen_errors, "error of predicted": self.predicted_errors}
        return {
            "missing": Figure(self.missing / swipes, "frames per swipe"),
            "predicted": Figure(self.predicted / swipes, "frames per swipe"),
            **{
                name: Figure(float(np.median(values)), "% of interocular")
                for name, values in errors.items()
                if values
            },
            "ids": Figure(self.ids / self.clips, "per clip"),
            "false faces": Figure(60 * RATE * self.false / self.frames, "per minute"),
        }


def measure_swipes(model: Path, data: Path | None, recorder: Recorder) -> None:
    """Tracks the portrait and some faces of a data set through all swipes."""
    pipeline = load(model, provider="cpu")
    assert isinstance(pipeline.detector, SizedDetector)
    search = Search(find_detector(DEFAULT_DETECTOR).search_sizes.videos)
    detector = pipeline.detector.for_video(search)
    photos = sample_photos(pipeline, data)
    sha256 = file_sha256(model)
    for side, speed, swipes in _all_swipes():
        counts = Counts()
        for index, photo in enumerate(photos):
            for number, swipe in enumerate(swipes):
                clip = clip_of(photo, side, swipe, seed=10 * index + number)
                count_faces(pipeline, detector, clip, counts)
        conditions = {
            "side": f"{side} px",
            "speed": f"{speed} px a frame",
            "face": swipes[0].end,
            "clips": str(counts.clips),
        }
        figures = counts.figures(swipes[0].end == "stays")
        recorder.add(Measurement(COMMAND, model.name, "tracked", conditions, figures, sha256))


def _all_swipes() -> list[tuple[int, int, tuple[Swipe, ...]]]:
    staying = [
        (side, speed, (Swipe(speed, camera=True), Swipe(speed, direction=2.8)))
        for side, speed in STAYING
    ]
    ends = (
        (Swipe(SPEED, end="leaves"), Swipe(SPEED, np.pi, camera=True, end="leaves")),
        (Swipe(SPEED, end="covered"), Swipe(SPEED / 2, np.pi, end="covered")),
        (Swipe(SPEED, camera=True, end="cut"),),
    )
    return staying + [(SIDE, SPEED, swipes) for swipes in ends]


def clip_of(photo: Photo, side: float, swipe: Swipe, seed: int) -> SwipedFace:
    """The clip of a photo's face, whose points' longer side is `side` pixels."""
    _, image, face = photo
    cutout = Cutout.of(image, face.points, side)
    backdrop, other = pictures.stereo_motorcycle()[0], pictures.chelsea()  # type: ignore[no-untyped-call]
    return SwipedFace(cutout, widened(_bgr(backdrop)), widened(_bgr(other)), swipe, seed)


def _bgr(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[..., ::-1])


def count_faces(pipeline: Pipeline, detector: Detector, clip: SwipedFace, counts: Counts) -> None:
    """Tracks the face of a clip, and adds what was shown of it."""
    tracker = Tracker(pipeline, detector)
    offsets: list[Floats] = []
    ids: set[int | None] = set()
    gone = 0
    for frame in clip:
        faces, points = tracker(frame), clip.points(frame.index)
        near = [] if points is None else _near(faces, points)
        ids |= {face.id for face in near}
        counts.false += len(faces) - len(near)
        gone += points is None
        if points is None:
            counts.late = max(counts.late, gone if faces else 0)
        elif not near:
            counts.missing += 1
        elif frame.index < REST:
            offsets.append(near[0].points - points)
        elif (frame.index - REST) % (REST + SWIPE) < SWIPE:
            # The mean placement at rest is the reference: the network's bias is not the subject.
            error = _error(near[0].points - np.mean(offsets, axis=0), points)
            of_kind = counts.predicted_errors if near[0].predicted else counts.seen_errors
            of_kind.append(error)
        counts.predicted += any(face.predicted for face in near)
    counts.clips += 1
    counts.frames += clip.frames
    counts.ids += len(ids)


def _near(faces: Sequence[Face], points: Floats) -> list[Face]:
    """The face at points (k, 2), or none, in a list."""
    reach = 0.5 * float(np.ptp(points, axis=0).max())
    middle = points.mean(axis=0)
    near = [f for f in faces if np.linalg.norm(f.points.mean(axis=0) - middle) < reach]
    return near[:1]


def _error(points: Floats, expected: Floats) -> float:
    """Mean distance of points (k, 2), in % of the distance of the outer eye corners."""
    distances = np.linalg.norm(points - expected, axis=-1)
    return 100 * float(distances.mean() / np.linalg.norm(expected[36] - expected[45]))
