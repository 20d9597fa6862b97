"""Faces as a CSV table; docs/reference/formats.md describes the columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from fkd_infer.formats.base import check_point_count, round_extra, round_pixels
from fkd_infer.formats.text import TextSink
from fkd_infer.landmarks.attributes import fields, measure
from fkd_infer.types import Face, Frame

_FACE = ("source", "frame", "time", "face", "id", "score", "presence")
_BOX = ("box_x0", "box_y0", "box_x1", "box_y1")


class CsvSink(TextSink):
    """One line per face, below a header that names the scheme's points and the extras."""

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends a line for each face of a frame."""
        for number, face in enumerate(faces):
            check_point_count(face, self._scheme)
            face_id = "" if face.id is None else face.id
            head = [frame.source, frame.index, float(frame.time), number, face_id]
            numbers = [*round_pixels(face.box), *round_pixels(face.points.ravel())]
            presence = "" if face.presence is None else round(face.presence, 4)
            extras = self._extra_values(frame, face)
            predicted = int(face.predicted)
            self._append_row([*head, round(face.score, 4), presence, *numbers, *extras, predicted])

    def _write_header(self) -> None:
        points = (f"{axis}{i}" for i in range(self._scheme.count) for axis in "xy")
        extras = (name for extra in self._extras for name in fields(extra, self._scheme))
        self._append_row([*_FACE, *_BOX, *points, *extras, "predicted"])

    def _extra_values(self, frame: Frame, face: Face) -> list[object]:
        """Returns the extras' columns, empty for extras that the face lacks."""
        row: list[object] = []
        for extra in self._extras:
            values = measure(extra, face, self._scheme, frame)
            blank = [""] * len(fields(extra, self._scheme))
            row += blank if values is None else [round_extra(value, extra) for value in values]
        return row

    def _append_row(self, values: Sequence[object]) -> None:
        line = StringIO()
        # The writer quotes only characters of its own line end, and readers split lines at both.
        csv.writer(line, lineterminator="\r\n").writerow(values)
        self._append(line.getvalue().removesuffix("\r\n") + "\n")
