"""Lines of a journal: a run's settings, the frames of a source, and the source as completed."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.media.sources import Source
from fkd_infer.stores.access import find
from fkd_infer.stores.address import Address, Place
from fkd_infer.stores.store import StoredObject
from fkd_infer.types import Face, Frame

VERSION = 3
DAMAGED = (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError)
"""What reading a line can raise that no run wrote."""
_COMPLETED = b'{"done"'


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Size and version of a file or object, which differ once it has changed: the version is a
    file's time of change in nanoseconds, or what a store tells versions apart by."""

    size: int
    version: int | str

    @classmethod
    def of(cls, place: Place | None) -> FileStamp | None:
        """The stamp of a file or object; None if there is none. Raises StoreError."""
        if isinstance(place, Address):
            stored = find(place)
            return None if stored is None else cls.of_object(stored)
        try:
            status = place.stat() if place else None
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns) if status else None

    @classmethod
    def of_object(cls, stored: StoredObject) -> FileStamp:
        """The stamp of an object that has been listed."""
        return cls(stored.size, stored.version)

    @classmethod
    def of_source(cls, source: Source) -> FileStamp | None:
        """The stamp of a source's file or object; None for cameras and streams."""
        return cls.of_object(source.stored) if source.stored else cls.of(source.path)


@dataclass(frozen=True, slots=True)
class CompletedSource:
    """A completed source: where in the journal its frames start, and stamps of its files."""

    start: int
    frames: int
    source: FileStamp
    picture: FileStamp | None


def encode_line(record: Mapping[str, object]) -> bytes:
    """A record as one line of JSON."""
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def settings_record(settings: Mapping[str, object]) -> dict[str, object]:
    """The first line of a journal."""
    return {"fkd_journal": VERSION, "settings": settings}


def parse_settings(line: bytes) -> tuple[int, dict[str, object]]:
    """Version and settings in the first line; raises one of DAMAGED."""
    record = json.loads(line)
    return record["fkd_journal"], dict(record["settings"])


def completed_record(
    name: str, frames: int, source: FileStamp, picture: FileStamp | None
) -> dict[str, object]:
    """The line after the frames of a source whose outputs are complete."""
    return {
        "done": name,
        "frames": frames,
        "source": [source.size, source.version],
        "picture": picture and [picture.size, picture.version],
    }


def is_completed_line(line: bytes) -> bool:
    """Whether a line states that a source is complete."""
    return line.startswith(_COMPLETED)


def parse_completed(line: bytes, starts: Sequence[int], end: int) -> tuple[str, CompletedSource]:
    """The source that a line completes; raises one of DAMAGED.

    `starts` are the offsets of the lines since the last such line, which ends at `end`.
    """
    record = json.loads(line)
    frames, picture = int(record["frames"]), record["picture"]
    completed = CompletedSource(
        starts[-frames] if frames else end,
        frames,
        FileStamp(*record["source"]),
        picture and FileStamp(*picture),
    )
    return str(record["done"]), completed


def frame_record(frame: Frame, faces: Sequence[Face]) -> dict[str, object]:
    """A frame without its pixels, and its faces to the last bit."""
    return {
        "frame": [frame.width, frame.height, frame.index, str(frame.time)],
        "faces": [
            [
                _encode(face.points),
                _encode(face.box),
                float(face.score),
                face.id,
                face.presence,
                None if face.spread is None else _encode(face.spread),
                face.predicted,
            ]
            for face in faces
        ],
    }


def parse_frame(source: str, line: bytes) -> tuple[Frame, list[Face]]:
    """A frame, black but of its size, with its faces; raises one of DAMAGED."""
    record: dict[str, Any] = json.loads(line)
    width, height, index, time = record["frame"]
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    faces = [
        Face(
            _decode(points).reshape(-1, 2),
            _decode(box),
            score,
            identity,
            presence,
            spread=None if spread is None else _decode(spread),
            predicted=predicted,
        )
        for points, box, score, identity, presence, spread, predicted in record["faces"]
    ]
    return Frame(image, source, index, Fraction(time)), faces


def _encode(values: Floats) -> str:
    little: NDArray[np.float32] = values.astype("<f4")
    return b64encode(little.tobytes()).decode("ascii")


def _decode(text: str) -> Floats:
    return np.frombuffer(b64decode(text), "<f4").astype(np.float32)
