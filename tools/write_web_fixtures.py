"""Writes what the runtime computes, for the tests of `web/` that compare: python -m
tools.write_web_fixtures FOLDER.

Pictures are RGBA, as canvases give them, and all arrays are files of raw numbers beside tables in
JSON. Nothing is downloaded; the photo is that of scikit-image.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

import fkd_infer
from fkd_infer.choices import CPU_DETECTOR_MODEL, DETECTOR_MODEL, MIN_PRESENCE
from fkd_infer.detection.fkd import CHECKED_THRESHOLD, FkdDetector
from fkd_infer.detection.registry import FKD
from fkd_infer.detection.tiling import View
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.crop import crop, crop_matrices
from fkd_infer.geometry.rules import CropRule
from fkd_infer.landmarks.schemes import SCHEMES, find_scheme
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime import proof
from fkd_infer.tracking import association, detection_schedule, one_euro, track, tracker
from fkd_infer.types import Detections, Face, Frame
from fkd_train.data.synthetic import draw_face
from fkd_train.export.end_to_end_pictures import drawn_pictures

_SIZES = (36, 48, 75, 90, 120, 150, 180, 200, 260, 333, 401, 512, 640, 2100)
"""Sides of pictures of one drawn face, in pixels: below and above those at which faces are searched
and cropped."""


_RATE = 30
"""Frames per second of videos."""


class Fixtures:
    """A folder of tables and arrays."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def table(self, name: str, value: object) -> None:
        """Writes a table in JSON."""
        (self._folder / f"{name}.json").write_text(json.dumps(value, default=_plain))

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Writes the numbers of an array, and returns its file's name."""
        (self._folder / f"{name}.bin").write_bytes(np.ascontiguousarray(values).tobytes())
        return f"{name}.bin"

    def picture(self, name: str, image: Pixels) -> dict[str, object]:
        """Writes a gray, BGR or BGRA picture as RGBA, and returns how a table names it."""
        rgba = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA) if image.shape[2:] == (4,) else None
        if rgba is None:
            rgba = cv2.cvtColor(bgr_image(image), cv2.COLOR_BGR2RGBA)
        height, width = image.shape[:2]
        return {"width": width, "height": height, "file": self.array(name, rgba)}


def pictures() -> Iterator[tuple[str, Pixels]]:
    """Yields 20 drawn pictures, in gray and in colour, and a photo of an astronaut, by name."""
    for number, sheet in enumerate(drawn_pictures()):
        yield f"sheet-{number}", sheet
    rng = np.random.default_rng(2)
    for size in _SIZES:
        face = draw_face(size, rng)[0]
        tint = rng.uniform(0.7, 1, 3)
        yield f"face-{size}", np.rint(bgr_image(face) * tint).astype(np.uint8)
    yield "astronaut", _astronaut()


def _astronaut() -> Pixels:
    photos: Any = skimage.data  # untyped
    return np.ascontiguousarray(photos.astronaut()[..., ::-1])


def write(folder: Path) -> None:
    """Writes all fixtures."""
    fixtures = Fixtures(folder)
    pipeline = fkd_infer.load(detector_model=DETECTOR_MODEL, provider="cpu", tuned=False)
    fixtures.table("constants", _constants())
    fixtures.table("pictures", list(_faces(fixtures, pipeline)))
    fixtures.table("crops", list(_crops(fixtures)))
    fixtures.table("views", list(_views(fixtures)))
    fixtures.table("smoothing", _smoothing())
    fixtures.table("tracking", list(_tracked(fixtures, pipeline)))


def _constants() -> dict[str, object]:
    """Numbers and tables that stand in Python and in TypeScript."""
    return {
        "min_presence": MIN_PRESENCE,
        "search_sizes": FKD.search_sizes._asdict(),
        "checked_threshold": CHECKED_THRESHOLD,
        "proof": [proof.TOLERANCE, proof.SCORE_TOLERANCE],
        "drawn_face": proof.drawn_face(64),
        "schemes": [asdict(find_scheme(name)) for name in SCHEMES],
        "levels": {name: asdict(level) for name, level in one_euro.LEVELS.items()},
        "max_jump": one_euro.MAX_JUMP,
        "tracking": {
            name: float(getattr(module, name))
            for module, names in (
                (association, ("MAX_SIZE_RATIO",)),
                (
                    detection_schedule,
                    ("MIN_INTERVAL", "MAX_INTERVAL", "MAX_SECONDS", "MAX_INTERVAL_EMPTY"),
                ),
                (track, ("SPEED_SECONDS", "MAX_EXTRAPOLATION")),
                (
                    tracker,
                    (
                        "MEMORY_SECONDS",
                        "SAME_FACE",
                        "SAME_LOST_FACE",
                        "DUPLICATE",
                        "MAX_GROWTH",
                        "MAX_LEAP",
                        "MAX_OFFSET",
                        "MAX_MISSES",
                    ),
                ),
            )
            for name in names
        },
    }


def _faces(fixtures: Fixtures, pipeline: Pipeline) -> Iterator[dict[str, object]]:
    """The boxes of both shipped detectors, and the faces of the pipeline, in each picture."""
    int8 = FkdDetector(CPU_DETECTOR_MODEL, provider="cpu", checked=True)
    for name, image in pictures():
        yield {
            "name": name,
            "picture": fixtures.picture(name, image),
            "detections": _detections(pipeline.detector(image)),
            "int8_detections": _detections(int8(image)),
            "faces": [_face(face) for face in pipeline(image)],
        }


def _detections(found: Detections) -> dict[str, object]:
    return {"boxes": found.boxes, "scores": found.scores}


def _face(face: Face) -> dict[str, object]:
    fields = ("points", "box", "score", "presence", "spread", "id")
    return {field: getattr(face, field) for field in fields}


def _crops(fixtures: Fixtures) -> Iterator[dict[str, object]]:
    """Crops of all sizes: enlarged, averaged in blocks and in other areas, beyond the border."""
    rng = np.random.default_rng(3)
    # Noise shows every difference in sampling; drawn faces are as smooth as photos.
    noise = rng.integers(0, 256, (301, 403, 3), np.uint8)
    face = bgr_image(draw_face(900, rng)[0])
    boxes = (
        (100.3, 80.2, 140.9, 130.1),
        (20.0, 30.0, 230.5, 240.5),
        (-60.0, -40.0, 200.0, 210.0),
        (2.5, 1.5, 400.5, 299.5),
        (250.1, 150.7, 460.2, 390.4),
        (300.0, 200.0, 1100.0, 1000.0),
    )
    for number, (image, box) in enumerate((image, box) for image in (noise, face) for box in boxes):
        size, channels = ((128, 1), (96, 3), (64, 1))[number % 3]
        rule = CropRule(1.25, (0.02, -0.03), "black" if number % 4 == 3 else "replicate")
        matrix = crop_matrices(np.array([box], np.float32), rule, size)[0]
        pixels = crop(image, matrix, size, channels, rule.border)
        yield {
            "picture": fixtures.picture(f"crop-{number}-of", image),
            "box": np.array(box, np.float32),
            "rule": asdict(rule),
            "size": size,
            "channels": channels,
            "crop": fixtures.array(f"crop-{number}", pixels),
        }


def _views(fixtures: Fixtures) -> Iterator[dict[str, object]]:
    """A picture as detectors search it, at several sizes."""
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (211, 307, 3), np.uint8)
    for number, factor in enumerate((1.0, 1.3, 2.0, 2.7, 4.1)):
        height, width = image.shape[:2]
        pixels, matrix = View(0, 0, width, height, factor).extract(image)
        yield {
            "picture": fixtures.picture(f"view-{number}-of", image),
            "factor": factor,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "pixels": fixtures.array(f"view-{number}", pixels),
            "matrix": matrix,
        }


def _smoothing() -> dict[str, object]:
    """Two faces that move, turn and tremble, one of which jumps; smoothed at each level."""
    rng = np.random.default_rng(5)
    shape = draw_face(200, rng)[1].astype(np.float64)
    frames: list[list[Face]] = []
    for frame in range(40):
        faces = []
        for number in (1, 2):
            angle = 0.01 * frame * number
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            jump = 300.0 if number == 2 and frame >= 25 else 0.0
            moved = (shape - 100) @ turn.T * (1 + 0.01 * frame) + 150 + 3 * frame * number + jump
            points = (moved + rng.normal(0, 0.8, shape.shape)).astype(np.float32)
            box = np.array([0, 0, 1, 1], np.float32)
            faces.append(Face(points, box, id=number))
        frames.append(faces[:1] if frame == 12 else faces)  # one is missing once
    levels = {
        level: _smoothed(one_euro.Smoother(level), frames) for level in ("low", "medium", "high")
    }
    return {"rate": _RATE, "frames": [_by_id(faces) for faces in frames], "levels": levels}


def _smoothed(
    smoother: one_euro.Smoother, frames: Sequence[Sequence[Face]]
) -> list[list[dict[str, object]]]:
    return [_by_id(smoother(Fraction(n, _RATE), faces)) for n, faces in enumerate(frames)]


def _tracked(fixtures: Fixtures, pipeline: Pipeline) -> Iterator[dict[str, object]]:
    """A video of two faces that move: the second comes later, the first is away for a while."""
    follow = tracker.Tracker(pipeline, pipeline.detector, smoothing="medium")
    for number, image in enumerate(_video()):
        frame = Frame(image, "video", number, Fraction(number, _RATE))
        faces = follow(frame)
        yield {
            "picture": fixtures.picture(f"frame-{number}", image),
            "seconds": number / _RATE,
            "faces": [_face(face) for face in faces],
        }


def _video() -> Iterator[Pixels]:
    """Yields frames with the astronaut and her mirror image: on drawn faces, the network's points
    tremble with every rounding."""
    face = _astronaut()[20:220, 130:330]
    for number in range(22):
        image = np.full((280, 560, 3), 90, np.uint8)
        if not 14 <= number < 18:
            image[30:230, 20 + 2 * number : 220 + 2 * number] = face
        if number >= 6:
            image[60 - number : 260 - number, 330:530] = face[:, ::-1]
        yield image


def _by_id(faces: Sequence[Face]) -> list[dict[str, object]]:
    return [{"id": face.id, "points": face.points} for face in faces]


def _plain(value: object) -> object:
    """NumPy's arrays and numbers as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not written")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
