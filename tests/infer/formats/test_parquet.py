"""Tables are read by pyarrow, pandas, Polars and DuckDB, and compared with what was written."""

from __future__ import annotations

import json
import os
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_samples import ALL_EXTRAS, CLOSED, FRAME, LARGE_FRAME, TWO, face, frontal_face

from fkd_infer.errors import OutputError
from fkd_infer.landmarks.attributes import measure
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Frame

pq = pytest.importorskip("pyarrow.parquet", reason="needs the parquet extra")
parquet = pytest.importorskip("fkd_infer.formats.parquet")

EMPTY = Frame(FRAME.image, "empty.png")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A face with an id, one without, a frame without faces, and one with all extras."""
    path = tmp_path / "new" / "faces.parquet"
    with parquet.ParquetSink(path, IBUG68, ALL_EXTRAS) as sink:
        sink.write(FRAME, [replace(face(7), predicted=True), face()])
        sink.write(EMPTY, [])
        sink.write(LARGE_FRAME, [frontal_face()])
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_a_row_has_all_that_a_face_has(table: Path) -> None:
    first, second, _, last = rows(table)
    assert (first["source"], first["frame"], first["time"]) == ("trip/Zoë.mp4", 3, 0.1001)
    assert (first["width"], first["height"], first["face"], second["face"]) == (64, 48, 0, 1)
    assert (first["id"], second["id"]) == (7, None)
    assert (first["predicted"], second["predicted"]) == (True, False)
    assert (first["presence"], second["presence"]) == (np.float32(0.12345), None)
    assert first["box"] == face().box.tolist()
    assert first["score"] == np.float32(0.98765)
    assert first["points"] == face().points.ravel().tolist()
    pose = measure("pose", frontal_face(), IBUG68, LARGE_FRAME)
    assert pose is not None
    assert list(last["pose"]) == ["yaw", "pitch", "roll"]
    np.testing.assert_allclose(list(last["pose"].values()), pose, atol=1e-4)
    assert last["spread"] == (np.arange(68) / 8).tolist()
    assert first["spread"] is None


def test_a_frame_without_faces_has_a_row(table: Path) -> None:
    row = rows(table)[2]
    assert row["source"] == "empty.png"
    given = {name for name, value in row.items() if value is not None}
    assert given == {"source", "frame", "time", "width", "height"}


def test_a_face_without_extras_has_nulls(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with parquet.ParquetSink(path, IBUG68, ALL_EXTRAS) as sink:
        sink.write(FRAME, [CLOSED])
    (row,) = rows(path)
    assert row["pose"] is None
    assert row["spread"] is None


def test_the_file_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with parquet.ParquetSink(path, TWO, metadata={"run": "r"}) as sink:
        sink.write(FRAME, [face(count=2)])
    schema = pq.read_schema(path)
    about = json.loads(schema.metadata[b"fkd"])
    assert about["schema"] == "fkd-parquet/1"
    assert about["scheme"] == {"name": "two", "count": 2, "groups": {"eyes": [0, 1]}}
    assert about["run"] == "r"
    assert schema.field("points").type.list_size == 4
    assert not schema.field("source").nullable
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_refuses_another_number_of_points(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(ValueError, match="2 points"), parquet.ParquetSink(path, TWO) as sink:
        sink.write(FRAME, [face()])
    assert list(tmp_path.iterdir()) == []


def test_pandas_reads_it(table: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(table)
    assert frame["face"].isna().tolist() == [False, False, True, False]
    points = np.stack(frame.dropna(subset="face")["points"]).reshape(-1, 68, 2)
    np.testing.assert_array_equal(points, [face().points, face().points, frontal_face().points])


def test_polars_reads_it(table: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(table).filter(polars.col("face").is_not_null()).collect()
    assert frame["id"].to_list() == [7, None, None]
    np.testing.assert_array_equal(frame["points"].to_numpy().reshape(-1, 68, 2)[0], face().points)


def test_duckdb_reads_it(table: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(
        f"SELECT source, count(face), max(points[3]) FROM '{table.parent}/*.parquet' "
        "GROUP BY source ORDER BY source"
    ).fetchall()
    left_eye = float(frontal_face().points[1, 0])
    assert found == [
        ("a.png", 1, left_eye),
        ("empty.png", 0, None),
        ("trip/Zoë.mp4", 2, float(face().points[1, 0])),
    ]


def test_names_that_are_no_text_are_kept_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with parquet.ParquetSink(path) as sink:
        sink.write(Frame(FRAME.image, os.fsdecode(b"a\xff.png")), [])
    assert rows(path)[0]["source"] == r"a\xff.png"


def test_a_folder_gets_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 4)
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "part-00009.parquet").write_bytes(b"of an earlier run")
    with parquet.ParquetSink(folder) as sink:
        for index in range(3):
            sink.write(Frame(FRAME.image, "a.mp4", index, Fraction(index, 25)), [face()] * 3)
        done = sorted(path.name for path in folder.glob("[!.]*"))
        assert done == ["part-00000.parquet"], "a complete part appears before the run ends"
    assert [len(rows(path)) for path in sorted(folder.iterdir())] == [6, 3]
    assert [row["frame"] for row in rows(folder)] == [0] * 3 + [1] * 3 + [2] * 3


def test_complete_parts_stay_after_an_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 1)

    def fail() -> None:
        with parquet.ParquetSink(tmp_path / "faces") as sink:
            for _ in range(3):
                sink.write(FRAME, [face()])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    left = sorted(path.name for path in (tmp_path / "faces").iterdir())
    assert left == ["part-00000.parquet", "part-00001.parquet"]


def test_memory_does_not_grow_with_the_faces(tmp_path: Path) -> None:
    import pyarrow

    path, faces = tmp_path / "a.parquet", [face(i) for i in range(50)]
    before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    try:
        with parquet.ParquetSink(path) as sink:
            for index in range(1000):
                sink.write(Frame(FRAME.image, "a.mp4", index), faces)
                held = pyarrow.total_allocated_bytes() - before
                assert held < 20e6
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6
    metadata = pq.ParquetFile(path).metadata
    assert metadata.num_rows == 50_000
    assert metadata.num_row_groups == -(-50_000 // parquet.GROUP_ROWS)


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("before")
    with parquet.ParquetSink(path) as sink:
        sink.write(FRAME, [face()])
        assert path.read_text() == "before"
    assert len(rows(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.pq.ParquetWriter, "write_table", full)
    with (
        pytest.raises(OutputError, match=r"a\.parquet: cannot be written: No space left"),
        parquet.ParquetSink(tmp_path / "a.parquet") as sink,
    ):
        sink.write(FRAME, [face()])
    assert list(tmp_path.iterdir()) == []
