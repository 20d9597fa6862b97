"""Faces as an Apache Parquet table, one file or a folder of parts.

docs/reference/formats.md has its columns.

Rows are written in groups, so memory does not grow with their number. A part appears when it is
complete, so what a stopped or killed run leaves can be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fkd_infer.choices import Extra
from fkd_infer.formats.base import check_point_count
from fkd_infer.formats.registry import PARQUET_SUFFIX
from fkd_infer.landmarks.attributes import fields, measure, sorted_extras
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.system.files.atomic import atomic_write, output_errors, removed_on_error
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Face, Frame

SCHEMA = "fkd-parquet/1"
METADATA_KEY = b"fkd"
GROUP_ROWS = 8192
"""Rows of a row group, which are held in memory: 5 MB with 68 points."""
PART_ROWS = 32 * GROUP_ROWS
"""Rows of a part of a folder, after which the next one begins."""


class ParquetSink(Scoped):
    """A Parquet file, or a folder of parts if the path does not end in .parquet.

    A row is a face, or a frame without faces, whose `face` is null. The parts of an earlier run are
    removed from the folder first. `metadata` is added to what the files say of themselves.
    """

    def __init__(
        self,
        path: Path,
        scheme: LandmarkScheme = IBUG68,
        extras: frozenset[Extra] = frozenset(),
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        self._path = path
        self._scheme = scheme
        self._extras = sorted_extras(extras)
        self._schema = parquet_schema(scheme, self._extras, metadata or {})

    def _scope(self) -> Iterator[None]:
        self._rows: list[dict[str, object]] = []
        self._in_part = 0
        if self._path.suffix == PARQUET_SUFFIX:
            parts: Iterator[Path] = iter([self._path])
        else:
            with output_errors(self._path):
                for part in self._path.glob(f"part-*{PARQUET_SUFFIX}"):
                    part.unlink()
            parts = (self._path / f"part-{number:05d}{PARQUET_SUFFIX}" for number in count())
        self._parts = parts
        with ExitStack() as self._stack:
            self._open()
            yield
            self._flush()

    def describe(self, key: str, value: object) -> None:
        """Adds an entry, as JSON, to the metadata of the file or current part."""
        self._writer.add_key_value_metadata({key: json.dumps(value)})

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Appends a row for each face of a frame, or one for the frame."""
        if self._in_part >= PART_ROWS and self._path.suffix != PARQUET_SUFFIX:
            self._flush()
            self._stack.close()
            self._open()
        row = {
            "source": parquet_text(frame.source),
            "frame": frame.index,
            "time": float(frame.time),
            "width": frame.width,
            "height": frame.height,
        }
        rows = [{**row, **self._face(frame, *each)} for each in enumerate(faces)] or [row]
        self._rows += rows
        self._in_part += len(rows)
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def _face(self, frame: Frame, number: int, face: Face) -> dict[str, object]:
        check_point_count(face, self._scheme)
        extras: dict[str, object] = {}
        for extra in self._extras:
            values = measure(extra, face, self._scheme, frame)
            if values is None or extra == "spread":
                extras[extra] = values
            else:
                extras[extra] = dict(zip(fields(extra, self._scheme), values, strict=True))
        return {
            "face": number,
            "id": face.id,
            "box": face.box,
            "score": float(face.score),
            "presence": face.presence,
            "predicted": face.predicted,
            "points": face.points.ravel(),
            **extras,
        }

    def _open(self) -> None:
        """Opens the file, or the next part."""
        self._in_part = 0
        self._partial, self._writer = self._stack.enter_context(
            _parquet_file(next(self._parts), self._schema)
        )

    def _flush(self) -> None:
        """Writes the rows that are in memory."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        columns = [
            _column([row.get(field.name) for row in rows], field.type) for field in self._schema
        ]
        with output_errors(self._path), removed_on_error(self._partial):
            self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


def parquet_text(name: str) -> str:
    r"""A file name as Parquet can hold it: bytes that are no text become \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def parquet_schema(
    scheme: LandmarkScheme, extras: Sequence[Extra], metadata: Mapping[str, object]
) -> Any:
    """The Arrow schema of a table for a scheme and extras, with what it says of itself."""
    numbers = pa.float32()
    names = {extra: fields(extra, scheme) for extra in extras}
    types = {
        extra: pa.list_(numbers, scheme.count)
        if extra == "spread"
        else pa.struct([pa.field(name, numbers) for name in names[extra]])
        for extra in extras
    }
    about = {
        "schema": SCHEMA,
        # Not by an import: the package's names lead to all layers.
        "version": import_module("fkd_infer").__version__,
        "scheme": {"name": scheme.name, "count": scheme.count, "groups": scheme.groups},
        **metadata,
    }
    return pa.schema(
        [
            pa.field("source", pa.string(), nullable=False),
            pa.field("frame", pa.int64(), nullable=False),
            pa.field("time", pa.float64(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("face", pa.int32()),
            pa.field("id", pa.int64()),
            pa.field("box", pa.list_(numbers, 4)),
            pa.field("score", numbers),
            pa.field("presence", numbers),
            pa.field("predicted", pa.bool_()),
            pa.field("points", pa.list_(numbers, 2 * scheme.count)),
            *(pa.field(extra, kind) for extra, kind in types.items()),
        ],
        {METADATA_KEY: json.dumps(about)},
    )


def _column(values: list[Any], kind: Any) -> Any:
    """An Arrow array of a type, from values of which some are None."""
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    missing = pa.array([value is None for value in values])
    flat = np.zeros((len(values), kind.list_size), np.float32)
    for row, value in zip(flat, values, strict=True):
        if value is not None:
            row[:] = value
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), kind.list_size, mask=missing)


@contextmanager
def _parquet_file(path: Path, schema: Any) -> Iterator[tuple[Path, Any]]:
    """Yields a writer and its temporary file, which becomes `path` at the end of the block."""
    with atomic_write(path) as partial:
        with output_errors(path):
            writer = pq.ParquetWriter(partial, schema, compression="zstd")
        try:
            yield partial, writer
        finally:
            with output_errors(path), removed_on_error(partial):
                writer.close()
