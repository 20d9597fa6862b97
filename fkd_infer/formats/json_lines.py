"""Faces as JSON lines; docs/reference/formats.md describes the fields."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fkd_infer.choices import Extra
from fkd_infer.formats.base import round_extra, round_pixels
from fkd_infer.formats.text import TextSink
from fkd_infer.landmarks.attributes import fields, measure
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

SCHEMA = "fkd/1"


class JsonLinesSink(TextSink):
    """One JSON object per frame, also for frames without faces."""

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends the line of a frame."""
        record = frame_record(frame, faces, self._scheme, self._extras)
        self._append(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")


def frame_record(
    frame: Frame,
    faces: Sequence[Face],
    scheme: LandmarkScheme = IBUG68,
    extras: Sequence[Extra] = (),
) -> dict[str, object]:
    """The JSON object of a frame as a dict: a line of `--json`.

    `extras` are those of `--extras`, which need the network's `scheme` (`pipeline.card.landmarks`):
    "pose", "ratios" and "spread". Pixels are rounded to hundredths.

    Examples:
        >>> import fkd_infer
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> frame = fkd_infer.Frame(image, "photo.jpg")
        >>> record = fkd_infer.frame_record(frame, fkd_infer.load()(image))
        >>> record["source"], record["width"], len(record["faces"])
        ('photo.jpg', 512, 1)
        >>> sorted(record["faces"][0])
        ['box', 'id', 'points', 'predicted', 'presence', 'score']
    """
    return {
        "schema": SCHEMA,
        "source": frame.source,
        "frame": frame.index,
        "time": float(frame.time),
        "width": frame.width,
        "height": frame.height,
        "faces": [_face(frame, face, scheme, extras) for face in faces],
    }


def _face(
    frame: Frame, face: Face, scheme: LandmarkScheme, extras: Sequence[Extra]
) -> dict[str, object]:
    record: dict[str, object] = {
        "id": face.id,
        "box": round_pixels(face.box),
        "score": round(float(face.score), 4),
        "presence": None if face.presence is None else round(face.presence, 4),
        "points": round_pixels(face.points),
        "predicted": face.predicted,
    }
    for extra in extras:
        values = measure(extra, face, scheme, frame)
        rounded = None if values is None else [round_extra(value, extra) for value in values]
        if rounded is not None and extra != "spread":
            record[extra] = dict(zip(fields(extra, scheme), rounded, strict=True))
        else:
            record[extra] = rounded
    return record
