"""The faces that the pipeline finds."""

from __future__ import annotations

from collections.abc import Iterator

from fkd_infer.choices import CPU_DETECTOR_MODEL
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.pipeline import Pipeline
from fkd_infer.types import Detections, Face
from tools.web_fixtures.folder import FixtureFolder
from tools.web_fixtures.pictures import pictures


def faces(fixtures: FixtureFolder, pipeline: Pipeline) -> Iterator[dict[str, object]]:
    """The boxes of both shipped detectors, and the faces of the pipeline, in each picture."""
    int8 = FkdDetector(CPU_DETECTOR_MODEL, provider="cpu", checked=True)
    for name, image in pictures():
        yield {
            "name": name,
            "picture": fixtures.picture(name, image),
            "detections": _detections(pipeline.detector(image)),
            "int8_detections": _detections(int8(image)),
            "faces": [fields_of(face) for face in pipeline(image)],
        }


def _detections(found: Detections) -> dict[str, object]:
    return {"boxes": found.boxes, "scores": found.scores}


def fields_of(face: Face) -> dict[str, object]:
    """A face as TypeScript has it."""
    fields = ("points", "box", "score", "presence", "spread", "id")
    return {field: getattr(face, field) for field in fields}
