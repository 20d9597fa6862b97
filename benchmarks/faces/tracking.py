"""Measures tracking: jitter at rest, lag in motion, error, and the share of searched frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage import data as pictures

from benchmarks.faces.motion import RATE, MotionPath, MovingPhoto
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender, file_sha256
from fkd_infer.choices import DEFAULT_DETECTOR, SMOOTHINGS
from fkd_infer.detection.base import Detector, SizedDetector
from fkd_infer.detection.registry import find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.loading import load
from fkd_infer.media.images.file import read_image
from fkd_infer.pipeline import Pipeline
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.tracker import Tracker, TrackingSummary
from fkd_infer.types import Face, Frame
from fkd_train.errors import DatasetError

COMMAND = "tracking"
EVERY = "detection on every frame"
PATHS = (
    MotionPath("rest"),
    MotionPath("pan, zoom and roll", pan=(160, 80), zoom=0.2, roll=0.1, period=5.0),
    MotionPath("fast pan", pan=(240, 0), zoom=0.1, period=1.5),
)
"""Not the paths and the noise on which the constants of smoothing were tuned."""
SIDE = 190
"""Larger side of a face's points at rest, in pixels of the frame."""
FROM_DATA = 8
_UNITS = {
    "jitter": "% of interocular",
    "lag": "frames",
    "error": "% of interocular",
    "apart from " + EVERY: "% of interocular",
    "frames searched": "%",
}
_LAGS = np.arange(-2, 6, 0.25)

Reals = NDArray[np.float64]
Photo = tuple[str, Pixels, Face]
"""A name, an image and its face."""


class NoFaceError(Exception):
    """A contender detected no face in a frame."""


def measure_tracking(model: Path, seconds: float, data: Path | None, recorder: Recorder) -> None:
    """Measures all smoothings on all paths, for the portrait and some faces of a data set."""
    pipeline = load(model, provider="cpu")
    assert isinstance(pipeline.detector, SizedDetector)
    detector = pipeline.detector.for_video(
        Search(find_detector(DEFAULT_DETECTOR).search_sizes.videos)
    )
    photos = sample_photos(pipeline, data)
    frames = round(seconds * RATE)
    for number, path in enumerate(PATHS):
        errors: list[dict[str, dict[str, float]]] = []
        for index, (name, image, face) in enumerate(photos):
            moving = _moving(image, face, path, frames, seed=100 * number + index)
            try:
                errors.append(_errors(track_all(pipeline, detector, moving), moving))
            except NoFaceError as error:
                recorder.skip(SkippedContender(COMMAND, model.name, name, str(error)))
        conditions = {"path": path.name, "faces": str(len(errors)), "frames": str(frames)}
        for contender in errors[0] if errors else ():
            figures = {
                name: Figure(float(np.mean([e[contender][name] for e in errors])), _UNITS[name])
                for name in errors[0][contender]
            }
            sha256 = file_sha256(model)
            recorder.add(Measurement(COMMAND, model.name, contender, conditions, figures, sha256))


def _moving(image: Pixels, face: Face, path: MotionPath, frames: int, seed: int) -> MovingPhoto:
    """A photo on a path, scaled so that its face has the same size in all videos."""
    middle = points_box(face.points).reshape(2, 2).mean(axis=0)
    scale = SIDE / float(np.ptp(face.points, axis=0).max())
    centre = float(middle[0]), float(middle[1])
    return MovingPhoto(image, centre, replace(path, scale=scale), frames, seed)


@dataclass(frozen=True, eq=False)
class TrackedPoints:
    """Points (t, k, 2) of a face in each frame, by contender, and the tracker's summary."""

    points: dict[str, Reals]
    summary: TrackingSummary


def track_all(pipeline: Pipeline, detector: Detector, moving: MovingPhoto) -> TrackedPoints:
    """Tracks a moving face with all contenders. Raises NoFaceError if one misses it."""
    tracker = Tracker(pipeline, detector)
    smoothers: dict[str, Smoother] = {level: Smoother(level) for level in SMOOTHINGS}
    points: dict[str, list[Floats]] = {name: [] for name in (EVERY, *smoothers, "offline")}
    centre = np.array([moving.centre])

    def add(name: str, frame: Frame, faces: list[Face]) -> None:
        middle = transform(centre, moving.matrix(frame.index))
        distances = [np.linalg.norm(f.points.mean(axis=0) - middle) for f in faces]
        if not distances or min(distances) > SIDE:
            raise NoFaceError(f"{name}: no face in frame {frame.index} of {frame.source}")
        points[name].append(faces[int(np.argmin(distances))].points)

    def tracked() -> Iterator[tuple[Frame, list[Face]]]:
        for frame in moving:
            add(EVERY, frame, pipeline.find_faces(frame.image, detector))
            faces = tracker(frame)
            for name, smoother in smoothers.items():
                add(name, frame, smoother(frame.time, faces))
            yield frame, faces

    for frame, faces in smooth_offline(tracked()):
        add("offline", frame, faces)
    arrays = {name: np.array(one, np.float64) for name, one in points.items()}
    return TrackedPoints(arrays, tracker.summary)


def _errors(tracked: TrackedPoints, moving: MovingPhoto) -> dict[str, dict[str, float]]:
    """Figures of each contender, without the first tenth of the frames."""
    start = moving.frames // 10
    every, off = tracked.points[EVERY], tracked.points["off"]
    percent = float(np.linalg.norm(off[:, 36] - off[:, 45], axis=-1).mean()) / 100
    # The mean placement is the reference, since the network's bias is not the subject.
    reference = np.mean(
        [transform(off[i], invert(moving.matrix(i))) for i in range(start, len(off))], axis=0
    )

    def path(lag: float) -> Reals:
        frames = range(start, len(off))
        return np.array([transform(reference, moving.matrix(i - lag)) for i in frames], np.float64)

    figures: dict[str, dict[str, float]] = {}
    for name, points in tracked.points.items():
        counted = points[start:]
        figures[name] = {"error": _distance(counted, path(0.0)) / percent}
        if moving.path.moves:
            figures[name]["lag"] = lag(counted, path)
        else:
            figures[name]["jitter"] = jitter(counted) / percent
    figures["off"]["apart from " + EVERY] = _distance(off[start:], every[start:]) / percent
    figures["off"]["frames searched"] = 100 * tracked.summary.detections / tracked.summary.frames
    return figures


def jitter(points: Reals) -> float:
    """Mean second difference of points (t, k, 2), in pixels."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def lag(points: Reals, path: Callable[[float], Reals]) -> float:
    """The lag, in frames, at which the path is closest to points (t, k, 2), to 0.01."""

    def nearest(lags: Reals) -> float:
        return float(lags[np.argmin([_distance(points, path(late)) for late in lags])])

    near = nearest(nearest(_LAGS) + np.linspace(-0.25, 0.25, 11))
    return nearest(near + np.linspace(-0.05, 0.05, 11))


def _distance(points: Reals, others: Reals) -> float:
    return float(np.linalg.norm(points - others, axis=-1).mean())


def sample_photos(pipeline: Pipeline, data: Path | None) -> list[Photo]:
    """The portrait, and test images of the data set in which one face is detected."""
    portrait = np.ascontiguousarray(pictures.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    images = [("portrait", portrait)]
    if data is not None:
        files = sorted((data / "test").glob("*.jpg"))
        if not files:
            raise DatasetError(
                data, ["there are no pictures in test/"], "--data names the folder that has test/"
            )
        sample = files[:: max(1, len(files) // FROM_DATA)][:FROM_DATA]
        images += [(file.name, read_image(file)) for file in sample]
    detected = [(name, image, pipeline(image)) for name, image in images]
    return [(name, image, faces[0]) for name, image, faces in detected if len(faces) == 1]
