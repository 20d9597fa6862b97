"""Faces as NumPy arrays in one .npz file; docs/reference/formats.md describes them.

Rows are spooled to a file; at the end each column is copied into the archive in parts, so memory
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
from fkd_infer.formats.base import check_point_count
from fkd_infer.formats.spooled import SpooledSink
from fkd_infer.landmarks.attributes import fields, measure, sorted_extras
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

_ROWS = 4096
"""Faces that are copied at a time."""
_NO_ID = -1


class NpzSink(SpooledSink):
    """An .npz file whose arrays have one row per face."""

    def __init__(
        self,
        path: Path,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
    ) -> None:
        super().__init__(path, spools=1)
        self._scheme = scheme
        self._extras = sorted_extras(extras)
        self._dtype = _row_dtype(scheme, self._extras)
        self._sources: dict[str, int] = {}
        self._faces = 0

    def _spool_frame(self, frame: Frame, faces: Sequence[Face]) -> None:
        if not faces:
            return
        source = self._sources.setdefault(frame.source, len(self._sources))
        rows = np.zeros(len(faces), self._dtype)
        rows["source"], rows["frame"], rows["time"] = source, frame.index, float(frame.time)
        for row, face in zip(rows, faces, strict=True):
            check_point_count(face, self._scheme)
            row["id"] = _NO_ID if face.id is None else face.id
            row["box"], row["score"], row["points"] = face.box, face.score, face.points
            row["predicted"] = face.predicted
            row["presence"] = np.nan if face.presence is None else face.presence
            for extra in self._extras:
                values = measure(extra, face, self._scheme, frame)
                row[extra] = np.nan if values is None else values
        self._spools[0].write(rows.tobytes())
        self._faces += len(faces)

    def _assemble(self, partial: Path) -> None:
        constants = {
            "scheme": np.array(self._scheme.name),
            "source_names": np.array(list(self._sources), np.str_),
            **{
                f"{extra}_names": np.array(fields(extra, self._scheme))
                for extra in self._extras
                if extra != "spread"
            },
        }
        with zipfile.ZipFile(partial, "w") as archive:
            for name, array in constants.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            for name in self._dtype.names or ():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    self._write_column(file, name)

    def _write_column(self, file: IO[bytes], name: str) -> None:
        dtype, shape = self._dtype[name].base, self._dtype[name].shape
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (self._faces, *shape),
        }
        np.lib.format.write_array_header_1_0(file, header)
        for rows in self._row_blocks():
            file.write(rows[name].tobytes())

    def _row_blocks(self) -> Iterator[NDArray[np.void]]:
        spool = self._spools[0]
        spool.seek(0)
        while data := spool.read(_ROWS * self._dtype.itemsize):
            yield np.frombuffer(data, self._dtype)


def _row_dtype(scheme: LandmarkScheme, extras: Sequence[Extra]) -> np.dtype[np.void]:
    """Returns the layout of a face's numbers: little-endian, one field per array."""
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
            ("predicted", "?"),
            *((extra, "<f4", (len(fields(extra, scheme)),)) for extra in extras),
        ]
    )
