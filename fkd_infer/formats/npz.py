"""Faces as NumPy arrays in one .npz file; docs/formats.md describes them.

Rows are kept in a file until the end, when each column is copied into the archive in parts: memory
does not grow with the number of faces.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Extra
from fkd_infer.formats.base import check_count
from fkd_infer.formats.spooled import SpoolingSink
from fkd_infer.landmarks.attributes import FIELDS, measure, sorted_extras
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

_ROWS = 4096
"""Faces that are copied at once."""
_NO_ID = -1


class NpzSink(SpoolingSink):
    """An .npz file with one row per face in each array; it appears when it is complete."""

    def __init__(
        self,
        path: Path,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
    ) -> None:
        super().__init__(path, spools=1)
        self._scheme = scheme
        self._extras = sorted_extras(extras)
        self._row = _row_type(scheme, self._extras)
        self._sources: dict[str, int] = {}
        self._faces = 0

    def _take(self, frame: Frame, faces: Sequence[Face]) -> None:
        if not faces:
            return
        source = self._sources.setdefault(frame.source, len(self._sources))
        rows = np.zeros(len(faces), self._row)
        rows["source"], rows["frame"], rows["time"] = source, frame.index, float(frame.time)
        for row, face in zip(rows, faces, strict=True):
            check_count(face, self._scheme)
            row["id"] = _NO_ID if face.id is None else face.id
            row["box"], row["score"], row["points"] = face.box, face.score, face.points
            row["presence"] = np.nan if face.presence is None else face.presence
            for extra in self._extras:
                found = measure(extra, face.points, self._scheme, frame.width, frame.height)
                row[extra] = np.nan if found is None else found
        self._spools[0].write(rows.tobytes())
        self._faces += len(faces)

    def _finish(self, partial: Path) -> None:
        constants = {
            "scheme": np.array(self._scheme.name),
            "source_names": np.array(list(self._sources), np.str_),
            **{f"{extra}_names": np.array(FIELDS[extra]) for extra in self._extras},
        }
        with zipfile.ZipFile(partial, "w") as archive:
            for name, array in constants.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            for name in self._row.names or ():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    self._column(file, name)

    def _column(self, file: IO[bytes], name: str) -> None:
        kind, shape = self._row[name].base, self._row[name].shape
        header = {
            "descr": np.lib.format.dtype_to_descr(kind),
            "fortran_order": False,
            "shape": (self._faces, *shape),
        }
        np.lib.format.write_array_header_1_0(file, header)
        for rows in self._parts():
            file.write(rows[name].tobytes())

    def _parts(self) -> Iterator[NDArray[np.void]]:
        spool = self._spools[0]
        spool.seek(0)
        while data := spool.read(_ROWS * self._row.itemsize):
            yield np.frombuffer(data, self._row)


def _row_type(scheme: LandmarkScheme, extras: Sequence[Extra]) -> np.dtype[np.void]:
    """A face's numbers, little-endian, one field per array."""
    return np.dtype(
        [
            ("source", "<i4"),
            ("frame", "<i8"),
            ("time", "<f8"),
            ("id", "<i8"),
            ("box", "<f4", (4,)),
            ("score", "<f4"),
            ("presence", "<f4"),
            ("points", "<f4", (scheme.count, 2)),
            *((extra, "<f4", (len(FIELDS[extra]),)) for extra in extras),
        ]
    )
