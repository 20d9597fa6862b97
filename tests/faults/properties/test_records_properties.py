"""Any faces of any source survive a round trip through every format."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_strategies import faces, with_examples

import fkd_infer
from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.formats.base import RecordSink
from fkd_infer.formats.coco import CocoSink
from fkd_infer.formats.csv_table import CsvSink
from fkd_infer.formats.json_lines import JsonLinesSink
from fkd_infer.formats.npz import NpzSink
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.attributes import fields
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face, Frame

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads(
    (Path(fkd_infer.__file__).parent / "formats" / "schema" / "fkd-1.json").read_text()
)
VALID = jsonschema.Draft202012Validator(SCHEMA)
HUNDREDTH, NEAR = 0.005 + 1e-9, 1e-4


def picture(width: int, height: int) -> Pixels:
    """An image that takes no memory."""
    return np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))


def file_name(name: bytes) -> str:
    """The name that the system returns for any bytes."""
    return os.fsdecode(name.replace(b"\0", b"") or b"a")


ODD = st.sampled_from(["a,b", '"', "a\nb", "a\rb", "a\r\nb", " a ", "é.png", "'", "=1+1", "\udcff"])
SOURCES = st.binary(min_size=1, max_size=30).map(file_name) | ODD
FRAMES = st.builds(
    Frame,
    st.builds(picture, st.integers(1, 30_000), st.integers(1, 30_000)),
    SOURCES,
    st.integers(0, 2**40),
    st.fractions(min_value=0, max_value=10**7, max_denominator=10**6),
)
RECORDS = st.lists(st.tuples(FRAMES, st.lists(faces(), max_size=3)), max_size=3)
CHOSEN = st.sets(st.sampled_from(EXTRAS)).map(frozenset)
Records = list[tuple[Frame, list[Face]]]


def written(sink: RecordSink, records: Records) -> None:
    with sink:
        for frame, found in records:
            sink.write(frame, found)


def check_numbers(got: Sequence[float], expected: np.ndarray, exact: float = HUNDREDTH) -> None:
    array = np.asarray(expected, np.float64).ravel()
    np.testing.assert_allclose(np.ravel(got), array, atol=exact, rtol=1e-12)


@with_examples(120)
@given(records=RECORDS, extras=CHOSEN)
def test_json_lines_are_valid_and_complete(records: Records, extras: frozenset[Extra]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        written(JsonLinesSink(path, IBUG68, extras), records)
        lines = [json.loads(line) for line in path.read_text("ascii").split("\n")[:-1]]
    assert len(lines) == len(records)
    for line, (frame, found) in zip(lines, records, strict=True):
        VALID.validate(line)
        assert (line["source"], line["frame"]) == (frame.source, frame.index)
        assert (line["width"], line["height"]) == (frame.width, frame.height)
        assert line["time"] == float(frame.time)
        assert [face["id"] for face in line["faces"]] == [face.id for face in found]
        for record, face in zip(line["faces"], found, strict=True):
            check_numbers(record["points"], face.points)
            check_numbers(record["box"], face.box)
            assert record["predicted"] == face.predicted
            assert set(EXTRAS) & set(record) == extras


@with_examples(120)
@given(records=RECORDS, extras=CHOSEN)
def test_tables_are_read_back_by_the_csv_module(records: Records, extras: frozenset[Extra]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        written(CsvSink(path, IBUG68, extras), records)
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file, strict=True))
    expected = [
        (frame, number, face) for frame, some in records for number, face in enumerate(some)
    ]
    assert len(rows) == len(expected)
    for row, (frame, number, face) in zip(rows, expected, strict=True):
        assert None not in row
        assert (row["source"], int(row["frame"])) == (frame.source, frame.index)
        assert (float(row["time"]), int(row["face"])) == (float(frame.time), number)
        assert row["id"] == ("" if face.id is None else str(face.id))
        assert float(row["score"]) == pytest.approx(face.score, abs=NEAR)
        assert row["predicted"] == str(int(face.predicted))
        present = "" if face.presence is None else pytest.approx(face.presence, abs=NEAR)
        assert (float(row["presence"]) if row["presence"] else "") == present
        check_numbers([float(row[f"{axis}{i}"]) for i in range(68) for axis in "xy"], face.points)
        check_numbers([float(row[f"box_{name}"]) for name in ("x0", "y0", "x1", "y1")], face.box)
        for extra in extras:
            assert all(
                row[name] == "" or float(row[name]) < np.inf for name in fields(extra, IBUG68)
            )


@with_examples(80)
@given(records=RECORDS)
def test_coco_documents_are_consistent(records: Records) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        written(CocoSink(path), records)
        document = json.loads(path.read_text("ascii"))
    images, annotations = document["images"], document["annotations"]
    assert [image["file_name"] for image in images] == [frame.source for frame, _ in records]
    expected = [(number, face) for number, (_, some) in enumerate(records, 1) for face in some]
    assert len(annotations) == len(expected)
    for annotation, (image, face) in zip(annotations, expected, strict=True):
        assert annotation["image_id"] == images[image - 1]["id"] == image
        assert annotation.get("track_id") == face.id
        assert annotation.get("predicted", face.predicted) == face.predicted
        assert annotation["area"] >= 0
        keypoints = np.array(annotation["keypoints"]).reshape(68, 3)
        assert (keypoints[:, 2] == 2).all()
        check_numbers(keypoints[:, :2].tolist(), face.points)
        assert min(annotation["bbox"][2:]) >= 0


@with_examples(80)
@given(records=RECORDS, extras=CHOSEN)
def test_arrays_are_exact(records: Records, extras: frozenset[Extra]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.npz")
        written(NpzSink(path, IBUG68, extras), records)
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    expected = [(frame, face) for frame, some in records for face in some]
    assert len(found["points"]) == len(expected)
    for row, (frame, face) in enumerate(expected):
        np.testing.assert_array_equal(found["points"][row], face.points)
        np.testing.assert_array_equal(found["box"][row], face.box)
        assert found["source_names"][found["source"][row]] == frame.source
        assert (found["frame"][row], found["time"][row]) == (frame.index, float(frame.time))
        assert found["id"][row] == (-1 if face.id is None else face.id)
        assert found["predicted"][row] == face.predicted
        assert np.isnan(found["presence"][row]) == (face.presence is None)
    for extra in extras:
        assert found[extra].shape == (len(expected), len(fields(extra, IBUG68)))


@pytest.mark.parametrize(
    ("kind", "message"), [(JsonLinesSink, b"caf\\udce9.jpg"), (CsvSink, b"caf\xe9.jpg")]
)
def test_undecodable_names_are_printed_unchanged(
    kind: type[JsonLinesSink | CsvSink], message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output refuses them in most locales."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "utf-8", errors="strict"))
    frame = Frame(picture(2, 2), os.fsdecode(b"caf\xe9.jpg"), 0, Fraction(0))
    points = np.zeros((68, 2), np.float32)
    with kind("-") as sink:
        sink.write(frame, [Face(points, np.array([0, 0, 1, 1], np.float32))])
    assert message in out.getvalue()
