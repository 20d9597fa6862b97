"""Fingerprints of the data of a run, by which changes are detected when it is resumed."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fkd_infer.errors import UnreadableImageError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.reading import file_sha256
from fkd_train.data.faces import Faces
from fkd_train.errors import RunError


class FaceFingerprint(NamedTuple):
    """A face: its use (training or evaluation), its file within the data set, and the first digits
    of two sha256 sums, of the file and of its annotation."""

    use: str
    file: str
    image: str
    annotation: str


Fingerprints = tuple[FaceFingerprint, ...]
_FaceKey = tuple[str, str, int]
"""(use, file, number of the row among those of this file)."""
_HEX_DIGITS = 16
_NO_BOXES: Floats = np.zeros(0, np.float32)
_DAMAGED = "cannot be read, so changes of the data cannot be detected"
_DELETE = "delete it to resume without this check"


def fingerprint_faces(
    use: str, part: str, faces: Faces, others: Mapping[str, Floats] | None = None
) -> Fingerprints:
    """Fingerprints the faces of a part in their order; `others` are boxes (k, 4) of
    further faces by image. Points that are not labelled count as NaN.

    Raises UnreadableImageError for a file that has disappeared.
    """
    fingerprints = []
    images = {path: _file_digest(path) for path in dict.fromkeys(faces.paths)}
    for name, path, points in zip(faces.names, faces.paths, faces.labelled_points, strict=True):
        boxes = (others or {}).get(name, _NO_BOXES)
        annotation = hashlib.sha256(points.astype("<f4").tobytes() + boxes.astype("<f4").tobytes())
        digits = annotation.hexdigest()[:_HEX_DIGITS]
        fingerprints.append(FaceFingerprint(use, f"{part}/{name}", images[path], digits))
    return tuple(fingerprints)


def _file_digest(path: Path) -> str:
    try:
        return file_sha256(path)[:_HEX_DIGITS]
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error


def digest(data: Fingerprints) -> str:
    """One sha256 of all fingerprints in their order."""
    return hashlib.sha256(_as_csv(data).encode()).hexdigest()


def differences(before: Fingerprints, now: Fingerprints) -> list[str]:
    """Describes each kind of change with a count and the first name; empty if nothing changed."""
    old, new = _by_face(before), _by_face(now)
    both = [key for key in old if key in new]
    changes = {
        "gone": [key for key in old if key not in new],
        "new": [key for key in new if key not in old],
        "with another image": [key for key in both if old[key].image != new[key].image],
        "with other annotations": [
            key for key in both if old[key].annotation != new[key].annotation
        ],
    }
    described = [f"{_count_rows(keys)} {kind}" for kind, keys in changes.items() if keys]
    if not described and before != now:
        return ["rows of the data in another order"]
    return described


def _by_face(data: Fingerprints) -> dict[_FaceKey, FaceFingerprint]:
    """Fingerprints by face; an image may have several rows."""
    counts: Counter[tuple[str, str]] = Counter()
    faces = {}
    for face in data:
        faces[(face.use, face.file, counts[face[:2]])] = face
        counts[face[:2]] += 1
    return faces


def _count_rows(keys: Sequence[_FaceKey]) -> str:
    use, file, _ = keys[0]
    if len(keys) == 1:
        return f"1 row for {use} ({file})"
    return f"{len(keys)} rows (the first: {file}, for {use})"


def save_fingerprints(path: Path, data: Fingerprints) -> None:
    """Writes them as CSV, atomically."""
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(_as_csv(data), "utf-8", newline="")


def load_fingerprints(path: Path) -> Fingerprints:
    """Reads what `save_fingerprints` wrote; raises RunError for anything else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
            data = tuple(FaceFingerprint(*row) for row in rows)
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise RunError(path, _DAMAGED, _DELETE) from error
    if tuple(header) != FaceFingerprint._fields:
        raise RunError(path, _DAMAGED, _DELETE)
    return data


def _as_csv(data: Fingerprints) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FaceFingerprint._fields)
    writer.writerows(data)
    return text.getvalue()
