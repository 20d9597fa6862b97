"""Tables are read by Python's csv module and compared with the faces that were written."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from record_samples import ALL_EXTRAS, CLOSED, FRAME, LARGE_FRAME, TWO, face, frontal_face

from fkd_infer.formats.csv_table import CsvSink
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Frame


def test_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    with CsvSink(path) as sink:
        sink.write(FRAME, [replace(face(7), predicted=True), face()])
        sink.write(FRAME, [])
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:7] == ["source", "frame", "time", "face", "id", "score", "presence"]
    assert [row["presence"] for row in rows] == ["0.1235", ""]
    assert names[7:13] == ["box_x0", "box_y0", "box_x1", "box_y1", "x0", "y0"]
    assert names[-3:] == ["x67", "y67", "predicted"]
    assert len(names) == 11 + 136 + 1
    assert [row["predicted"] for row in rows] == ["1", "0"]
    assert [(row["face"], row["id"]) for row in rows] == [("0", "7"), ("1", "")]
    assert rows[0]["source"] == "trip/Zoë.mp4"
    assert float(rows[0]["time"]) == 0.1001
    assert (rows[0]["box_x1"], rows[0]["x0"], rows[0]["y67"]) == ("30.33", "0.13", "135.13")


def test_quotes_names(tmp_path: Path) -> None:
    name = 'a "b",\nc.png'
    with CsvSink(tmp_path / "a.csv", TWO) as sink:
        sink.write(Frame(FRAME.image, name), [face(count=2)])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["source"] == name


def test_writes_the_header_without_faces_and_refuses_another_number_of_points(
    tmp_path: Path,
) -> None:
    with CsvSink(tmp_path / "a.csv", TWO) as sink:
        pass
    assert (tmp_path / "a.csv").read_text().endswith("box_y1,x0,y0,x1,y1,predicted\n")
    with CsvSink(tmp_path / "b.csv", TWO) as sink, pytest.raises(ValueError, match="2 points"):
        sink.write(FRAME, [face()])


def test_requested_extras(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with CsvSink(path, IBUG68, ALL_EXTRAS) as sink:
        sink.write(LARGE_FRAME, [frontal_face(), CLOSED])
    with path.open() as file:
        first, second = csv.DictReader(file)
    spreads = [f"spread{point}" for point in range(68)]
    extras = ["yaw", "pitch", "roll", "left_eye", "right_eye", "mouth", *spreads]
    assert list(first)[-76:] == ["y67", *extras, "predicted"]
    assert float(first["yaw"]) == pytest.approx(0, abs=0.1)
    assert float(first["left_eye"]) == float(first["right_eye"]) > 0.1
    assert [float(first[name]) for name in spreads[:4]] == [0, 0.12, 0.25, 0.38]
    assert {second[name] for name in extras} == {""}
