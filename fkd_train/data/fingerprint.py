"""What data a run was started with: a mark of every face, by which a change is found and named."""

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
from fkd_train.data.dataset import Faces
from fkd_train.errors import RunError


class FaceFingerprint(NamedTuple):
    """A face: what it is used for, its file within the data set, and the beginnings of two sha256,
    that of the file and that of what is annotated in it."""

    use: str
    file: str
    image: str
    annotation: str


Fingerprints = tuple[FaceFingerprint, ...]
_HEX = 16
_NOTHING: Floats = np.zeros(0, np.float32)


def fingerprint_faces(
    use: str, folder: Path, part: str, faces: Faces, others: Mapping[str, Floats] | None = None
) -> Fingerprints:
    """Marks of faces of `<folder>/<part>`, in their order, with boxes (k, 4) of `others` by image.

    Raises UnreadableImageError for a file that is gone by now.
    """
    found = []
    for name, points in zip(faces.names, faces.points, strict=True):
        boxes = (others or {}).get(name, _NOTHING)
        annotation = hashlib.sha256(points.astype("<f4").tobytes() + boxes.astype("<f4").tobytes())
        image = _file_mark(folder / part / name)
        found.append(FaceFingerprint(use, f"{part}/{name}", image, annotation.hexdigest()[:_HEX]))
    return tuple(found)


def _file_mark(path: Path) -> str:
    try:
        return file_sha256(path)[:_HEX]
    except OSError as error:
        raise UnreadableImageError(path, error.strerror or str(error)) from error


def digest(data: Fingerprints) -> str:
    """One sha256 of all marks and their order."""
    return hashlib.sha256(_as_csv(data).encode()).hexdigest()


def differences(before: Fingerprints, now: Fingerprints) -> list[str]:
    """What changed, each with a count and the first name; nothing where nothing did."""
    old, new = _by_face(before), _by_face(now)
    both = [key for key in old if key in new]
    kinds = {
        "gone": [key for key in old if key not in new],
        "new": [key for key in new if key not in old],
        "with another image": [key for key in both if old[key].image != new[key].image],
        "with other annotations": [
            key for key in both if old[key].annotation != new[key].annotation
        ],
    }
    found = [f"{_counted(keys)} {kind}" for kind, keys in kinds.items() if keys]
    if not found and before != now:
        return ["rows of the data in another order"]
    return found


def _by_face(data: Fingerprints) -> dict[tuple[str, str, int], FaceFingerprint]:
    """Marks by use, file and, since an image may have several rows, how often it came before."""
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for mark in data:
        found[(mark.use, mark.file, seen[mark[:2]])] = mark
        seen[mark[:2]] += 1
    return found


def _counted(keys: Sequence[tuple[str, str, int]]) -> str:
    use, file, _ = keys[0]
    if len(keys) == 1:
        return f"1 row for {use} ({file})"
    return f"{len(keys)} rows (the first: {file}, for {use})"


def save_fingerprints(path: Path, data: Fingerprints) -> None:
    """Writes them as CSV, whole or not at all."""
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(_as_csv(data), "utf-8", newline="")


def load_fingerprints(path: Path) -> Fingerprints:
    """Marks as they were saved; raises RunError for anything else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
            found = tuple(FaceFingerprint(*row) for row in rows)
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise RunError(path, _DAMAGED, _FORGET) from error
    if tuple(header) != FaceFingerprint._fields:
        raise RunError(path, _DAMAGED, _FORGET)
    return found


_DAMAGED = "cannot be read, so nobody can tell whether the data changed"
_FORGET = "without it, --resume goes on"


def _as_csv(data: Fingerprints) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FaceFingerprint._fields)
    writer.writerows(data)
    return text.getvalue()
