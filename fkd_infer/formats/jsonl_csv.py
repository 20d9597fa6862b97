"""Faces as JSON lines and as CSV; docs/formats.md describes both."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from fkd_infer.choices import Extra
from fkd_infer.formats.base import STDOUT, check_count, rounded, short
from fkd_infer.landmarks.attributes import FIELDS, measure, sorted_extras
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.system.files.atomic import atomic_write, output_errors, removed_on_error
from fkd_infer.types import Face, Frame

SCHEMA = "fkd/1"
_FACE = ("source", "frame", "time", "face", "id", "score", "presence")
_BOX = ("box_x0", "box_y0", "box_x1", "box_y1")


class _TextSink:
    """A text file that appears when it is complete; - is standard output, None is nowhere.

    Where a line could not be written it does not appear, whatever is written after that.
    """

    def __init__(
        self,
        path: str | Path | None,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
    ) -> None:
        self._path = None if path is None else Path(path)
        self._scheme = scheme
        self._extras = sorted_extras(extras)
        self._file: TextIO | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._path is not None and self._path != STDOUT:
                self._partial = stack.enter_context(atomic_write(self._path))
                with output_errors(self._path):
                    self._file = _open_text(self._partial)
                stack.callback(self._close)
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _begin(self) -> None:
        """Writes what stands before the records."""

    def _put(self, text: str) -> None:
        if self._path == STDOUT:
            _print(text)
        elif self._file is not None and self._path is not None:
            with output_errors(self._path), removed_on_error(self._partial):
                self._file.write(text)

    def _close(self) -> None:
        if self._file is not None and self._path is not None:
            with output_errors(self._path):
                self._file.close()


class JsonLinesSink(_TextSink):
    """One JSON object per frame, also for frames without faces."""

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends the line of a frame."""
        if self._path is None:
            return
        record = {
            "schema": SCHEMA,
            "source": frame.source,
            "frame": frame.index,
            "time": float(frame.time),
            "width": frame.width,
            "height": frame.height,
            "faces": [self._face(frame, face) for face in faces],
        }
        self._put(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")

    def _face(self, frame: Frame, face: Face) -> dict[str, object]:
        record: dict[str, object] = {
            "id": face.id,
            "box": rounded(face.box),
            "score": round(float(face.score), 4),
            "presence": None if face.presence is None else round(face.presence, 4),
            "points": rounded(face.points),
        }
        for extra in self._extras:
            found = measure(extra, face.points, self._scheme, frame.width, frame.height)
            record[extra] = found and {
                name: short(value, extra) for name, value in found._asdict().items()
            }
        return record


class CsvSink(_TextSink):
    """One line per face, under a header for the scheme's points and the extras."""

    def _begin(self) -> None:
        points = (f"{axis}{i}" for i in range(self._scheme.count) for axis in "xy")
        extras = (name for extra in self._extras for name in FIELDS[extra])
        self._row([*_FACE, *_BOX, *points, *extras])

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends the lines of a frame's faces; none where there are none."""
        if self._path is None:
            return
        for number, face in enumerate(faces):
            check_count(face, self._scheme)
            identity = "" if face.id is None else face.id
            head = [frame.source, frame.index, float(frame.time), number, identity]
            numbers = [*rounded(face.box), *rounded(face.points.ravel())]
            presence = "" if face.presence is None else round(face.presence, 4)
            extras = self._measured(frame, face)
            self._row([*head, round(face.score, 4), presence, *numbers, *extras])

    def _measured(self, frame: Frame, face: Face) -> list[object]:
        """The extras' columns, empty where a face has none."""
        values: list[object] = []
        for extra in self._extras:
            found = measure(extra, face.points, self._scheme, frame.width, frame.height)
            blank = [""] * len(FIELDS[extra])
            values += blank if found is None else [short(value, extra) for value in found]
        return values

    def _row(self, values: Sequence[object]) -> None:
        line = StringIO()
        # The writer quotes what has a character of its line ends; readers end lines at both.
        csv.writer(line, lineterminator="\r\n").writerow(values)
        self._put(line.getvalue().removesuffix("\r\n") + "\n")


def _open_text(path: Path) -> TextIO:
    """UTF-8 with plain line ends; file names that are no text go out as the bytes that they are."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def _print(text: str) -> None:
    """To standard output, as to a file; at once, since another program may be reading along."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # in a notebook
        print(text, end="", flush=True)
        return
    sys.stdout.flush()
    stream.write(text.encode("utf-8", "surrogateescape"))
    stream.flush()
