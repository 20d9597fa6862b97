"""How calm followed points are at rest, how late on the way, and how seldom a detector is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path as File

import numpy as np
from numpy.typing import NDArray
from skimage import data as pictures

from benchmarks.faces.motion import RATE, Moving, Path
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, digest
from fkd_infer.choices import DEFAULT_DETECTOR, SMOOTHINGS
from fkd_infer.detection.base import Detector, SizedDetector
from fkd_infer.detection.registry import find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import invert, transform
from fkd_infer.media.images.file import read_image
from fkd_infer.pipeline import Pipeline, load
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.tracker import Tracker, TrackingSummary
from fkd_infer.types import Face, Frame
from fkd_train.errors import DatasetError

COMMAND = "tracking"
EVERY = "detection on every frame"
PATHS = (
    Path("rest"),
    Path("pan, zoom and roll", pan=(160, 80), zoom=0.2, roll=0.1, period=5.0),
    Path("fast pan", pan=(240, 0), zoom=0.1, period=1.5),
)
"""Others than those, with other noise, on which the constants of smoothing were tuned."""
SIDE = 190
"""Pixels of a face's points in the frame, at rest."""
FROM_DATA = 8
_LAGS = np.arange(-2, 6, 0.25)

Reals = NDArray[np.float64]


class NoFaceError(Exception):
    """A face was not to be seen in a frame, and which."""


def tracking(model: File, seconds: float, data: File | None, recorder: Recorder) -> None:
    """Measures all smoothings on all paths, of the portrait and of some faces of a data set."""
    pipeline = load(model, provider="cpu")
    assert isinstance(pipeline.detector, SizedDetector)
    detector = pipeline.detector.for_video(
        Search(find_detector(DEFAULT_DETECTOR).search_sizes.videos)
    )
    faces = _faces(pipeline, data)
    frames = round(seconds * RATE)
    for number, path in enumerate(PATHS):
        found: list[dict[str, dict[str, float]]] = []
        for who, (name, photo, face) in enumerate(faces):
            middle = points_box(face.points).reshape(2, 2).mean(axis=0)
            scale = SIDE / float(np.ptp(face.points, axis=0).max())
            centre = float(middle[0]), float(middle[1])
            moving = Moving(photo, centre, replace(path, scale=scale), frames, 100 * number + who)
            try:
                found.append(_measured(seen(pipeline, detector, moving), moving))
            except NoFaceError as error:
                recorder.left_out(LeftOut(COMMAND, model.name, name, str(error)))
        conditions = {"path": path.name, "faces": str(len(found)), "frames": str(frames)}
        for contender in found[0] if found else ():
            figures = {
                figure: Figure(
                    float(np.mean([f[contender][figure] for f in found])), _UNITS[figure]
                )
                for figure in found[0][contender]
            }
            recorder.measured(
                Measurement(COMMAND, model.name, contender, conditions, figures, digest(model))
            )


_UNITS = {
    "jitter": "% of interocular",
    "lag": "frames",
    "error": "% of interocular",
    "apart from " + EVERY: "% of interocular",
    "frames searched": "%",
}


@dataclass(frozen=True, eq=False)
class Seen:
    """Points (t, k, 2) of one face in each frame, by contender, and what the tracker did."""

    points: dict[str, Reals]
    summary: TrackingSummary


def seen(pipeline: Pipeline, detector: Detector, moving: Moving) -> Seen:
    """A moving face as all contenders see it. Raises NoFaceError where one does not."""
    tracker = Tracker(pipeline, detector)
    smoothers: dict[str, Smoother] = {level: Smoother(level) for level in SMOOTHINGS}
    points: dict[str, list[Floats]] = {name: [] for name in (EVERY, *smoothers, "offline")}
    centre = np.array([moving.centre])

    def take(name: str, frame: Frame, faces: list[Face]) -> None:
        middle = transform(centre, moving.matrix(frame.index))
        distances = [np.linalg.norm(f.points.mean(axis=0) - middle) for f in faces]
        if not distances or min(distances) > SIDE:
            raise NoFaceError(f"{name}: no face in frame {frame.index} of {frame.source}")
        points[name].append(faces[int(np.argmin(distances))].points)

    def followed() -> Iterator[tuple[Frame, list[Face]]]:
        for frame in moving:
            take(EVERY, frame, pipeline.find_faces(frame.image, detector))
            faces = tracker(frame)
            for name, smoother in smoothers.items():
                take(name, frame, smoother(frame.time, faces))
            yield frame, faces

    for frame, faces in smooth_offline(followed()):
        take("offline", frame, faces)
    return Seen({name: np.array(one, np.float64) for name, one in points.items()}, tracker.summary)


def _measured(seen: Seen, moving: Moving) -> dict[str, dict[str, float]]:
    """Figures of each contender; the first tenth of the frames does not count."""
    start = moving.frames // 10
    every, off = seen.points[EVERY], seen.points["off"]
    eyes = float(np.linalg.norm(off[:, 36] - off[:, 45], axis=-1).mean()) / 100
    # What the network takes for the face's points in general is not what smoothing is about.
    photo = np.mean(
        [transform(off[i], invert(moving.matrix(i))) for i in range(start, len(off))], axis=0
    )

    def path(lag: float) -> Reals:
        frames = range(start, len(off))
        return np.array([transform(photo, moving.matrix(i - lag)) for i in frames], np.float64)

    figures: dict[str, dict[str, float]] = {}
    for name, points in seen.points.items():
        counted = points[start:]
        figures[name] = {"error": _distance(counted, path(0.0)) / eyes}
        if moving.path.moves:
            figures[name]["lag"] = lag(counted, path)
        else:
            figures[name]["jitter"] = jitter(counted) / eyes
    figures["off"]["apart from " + EVERY] = _distance(off[start:], every[start:]) / eyes
    figures["off"]["frames searched"] = 100 * seen.summary.detections / seen.summary.frames
    return figures


def jitter(points: Reals) -> float:
    """Mean second difference of points (t, k, 2), in pixels."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def lag(points: Reals, path: Callable[[float], Reals]) -> float:
    """By how many frames a path has to be late to be nearest to points (t, k, 2), to 0.01."""

    def nearest(lags: Reals) -> float:
        return float(lags[np.argmin([_distance(points, path(late)) for late in lags])])

    near = nearest(nearest(_LAGS) + np.linspace(-0.25, 0.25, 11))
    return nearest(near + np.linspace(-0.05, 0.05, 11))


def _distance(points: Reals, others: Reals) -> float:
    return float(np.linalg.norm(points - others, axis=-1).mean())


def _faces(pipeline: Pipeline, data: File | None) -> list[tuple[str, Pixels, Face]]:
    """Photos with their faces: the portrait, and of the data set's test images some in which one
    face is found."""
    portrait = np.ascontiguousarray(pictures.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    photos = [("portrait", portrait)]
    if data is not None:
        files = sorted((data / "test").glob("*.jpg"))
        if not files:
            raise DatasetError(data, ["there are no pictures in test/"], "--data names its folder")
        few = files[:: max(1, len(files) // FROM_DATA)][:FROM_DATA]
        photos += [(file.name, read_image(file)) for file in few]
    found = [(name, photo, pipeline(photo)) for name, photo in photos]
    return [(name, photo, faces[0]) for name, photo, faces in found if len(faces) == 1]
