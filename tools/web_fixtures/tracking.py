"""Faces that are smoothed, and tracked in a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.pipeline import Pipeline
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame
from fkd_train.data.synthetic import draw_face
from tools.web_fixtures.faces import fields_of
from tools.web_fixtures.folder import FixtureFolder
from tools.web_fixtures.pictures import astronaut

_RATE = 30
"""Frames per second of videos."""


def smoothing() -> dict[str, object]:
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
    levels = {level: _smoothed(Smoother(level), frames) for level in ("low", "medium", "high")}
    return {"rate": _RATE, "frames": [_by_id(faces) for faces in frames], "levels": levels}


def _smoothed(
    smoother: Smoother, frames: Sequence[Sequence[Face]]
) -> list[list[dict[str, object]]]:
    return [_by_id(smoother(Fraction(n, _RATE), faces)) for n, faces in enumerate(frames)]


def _by_id(faces: Sequence[Face]) -> list[dict[str, object]]:
    return [{"id": face.id, "points": face.points} for face in faces]


def tracked(fixtures: FixtureFolder, pipeline: Pipeline) -> Iterator[dict[str, object]]:
    """A video of two faces that move: the second comes later, the first is away for a while."""
    follow = Tracker(pipeline, pipeline.detector, smoothing="medium")
    for number, image in enumerate(_video()):
        frame = Frame(image, "video", number, Fraction(number, _RATE))
        faces = follow(frame)
        yield {
            "picture": fixtures.picture(f"frame-{number}", image),
            "seconds": number / _RATE,
            "faces": [fields_of(face) for face in faces],
        }


def _video() -> Iterator[Pixels]:
    """Yields frames with the astronaut and her mirror image: on drawn faces, the network's points
    tremble with every rounding."""
    face = astronaut()[20:220, 130:330]
    for number in range(18):
        image = np.full((260, 480, 3), 90, np.uint8)
        if not 10 <= number < 13:
            image[30:230, 20 + 2 * number : 220 + 2 * number] = face
        if number >= 4:
            image[50 - number : 250 - number, 270:470] = face[:, ::-1]
        yield image
