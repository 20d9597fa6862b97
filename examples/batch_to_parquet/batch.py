"""Writes the faces of a folder to a Parquet file: python batch.py holiday faces.parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fkd_infer

SCHEMA = pa.schema(
    {
        "photo": pa.string(),
        "score": pa.float32(),
        "size": pa.float32(),  # from brows to chin, in pixels
        "nose": pa.list_(pa.float32(), 2),
        "points": pa.list_(pa.float32(), 136),  # x0, y0, x1, y1 …
    }
)
ROWS = 10_000
"""Of a row group, which is what is in memory at a time."""


def main(folder: str, out: str) -> None:
    """Reads photos, finds their faces on all cores, and writes a row for each face."""
    names: list[str] = []

    def images() -> Iterator[np.ndarray]:
        for source in fkd_infer.expand_sources(folder):
            try:
                image = fkd_infer.read_image(str(source.path))
            except fkd_infer.errors.UnreadableImageError as error:
                print(error, file=sys.stderr)  # one bad file does not end the run
                continue
            names.append(source.name)
            yield image

    found = fkd_infer.load(threads=1).many(images())  # in the order of the images
    rows = (row(names[number], face) for number, faces in enumerate(found) for face in faces)
    count = 0
    with pq.ParquetWriter(out, SCHEMA) as writer:
        while group := [*islice(rows, ROWS)]:
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
            count += len(group)
    print(f"{count} faces of {len(names)} photos: {out}")


def row(photo: str, face: fkd_infer.Face) -> dict[str, object]:
    """The columns of a face."""
    size = np.ptp(face.points[:, 1])
    nose = face.points[30].tolist()
    points = face.points.ravel().tolist()
    return {"photo": photo, "score": face.score, "size": size, "nose": nose, "points": points}


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
