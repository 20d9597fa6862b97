"""Faces as one COCO keypoints document; docs/reference/formats.md describes it.

A document lists all images before all annotations, so each list is spooled to a file of its own:
memory does not grow with the number of frames.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fkd_infer.choices import Extra
from fkd_infer.formats.spooled import SpooledSink
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

_CATEGORY = 1
_VISIBLE = 2
"""COCO's flag for a labelled and visible keypoint; networks place every point."""


class CocoSink(SpooledSink):
    """A COCO keypoints file; COCO has no fields for extras, so they are left out."""

    def __init__(
        self,
        path: Path,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
    ) -> None:
        super().__init__(path, spools=2)
        self._scheme = scheme
        self._counts = [0, 0]

    def _spool_frame(self, frame: Frame, faces: Sequence[Face]) -> None:
        images, annotations = self._spools
        image = {
            "file_name": frame.source,
            "width": frame.width,
            "height": frame.height,
            "frame": frame.index,
            "time": float(frame.time),
        }
        self._append(0, images, image)
        for face in faces:
            self._append(1, annotations, self._annotation(face))

    def _append(self, which: int, spool: BinaryIO, fields: dict[str, object]) -> None:
        """Writes the next element of a list, with its id."""
        self._counts[which] += 1
        number = self._counts[which]
        spool.write(b",\n" if number > 1 else b"\n")
        spool.write(_json({"id": number, **fields}))

    def _annotation(self, face: Face) -> dict[str, object]:
        x0, y0, x1, y1 = face.box.astype(np.float64).tolist()
        points = (np.round(face.points.astype(np.float64), 2) + 0.0).tolist()
        track = {} if face.id is None else {"track_id": face.id, "predicted": face.predicted}
        return {
            "image_id": self._counts[0],
            "category_id": _CATEGORY,
            "keypoints": [number for x, y in points for number in (x, y, _VISIBLE)],
            "num_keypoints": len(face.points),
            "bbox": [round(v, 2) + 0.0 for v in (x0, y0, x1 - x0, y1 - y0)],
            "area": round((x1 - x0) * (y1 - y0), 2),
            "iscrowd": 0,
            "score": round(float(face.score), 4),
            **track,
        }

    def _assemble(self, partial: Path) -> None:
        images, annotations = self._spools
        with partial.open("wb") as file:
            file.write(b'{"images":[')
            shutil.copyfileobj(images, file)
            file.write(b'\n],\n"annotations":[')
            shutil.copyfileobj(annotations, file)
            file.write(b'\n],\n"categories":[' + _json(_category(self._scheme)) + b"]}\n")


def _category(scheme: LandmarkScheme) -> dict[str, object]:
    """Returns the face category: names like left_eye_0, and a skeleton of points counted from 1."""
    names = {
        point: f"{name}_{i}"
        for name, group in scheme.groups.items()
        for i, point in enumerate(group)
    }
    lines: list[list[int]] = []
    for name, group in scheme.lines.items():
        ring = (*group, group[0]) if name in scheme.closed and len(group) > 2 else group
        lines += [[a + 1, b + 1] for a, b in pairwise(ring)]
    return {
        "id": _CATEGORY,
        "name": "face",
        "supercategory": "person",
        "keypoints": [names[point] for point in range(scheme.count)],
        "skeleton": lines,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
