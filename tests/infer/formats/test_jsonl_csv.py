"""Records are read back by the standard parsers and compared with what went in."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fkd_infer
from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.errors import OutputError
from fkd_infer.formats.factory import open_records
from fkd_infer.formats.jsonl_csv import CsvSink, JsonLinesSink
from fkd_infer.landmarks.head_pose import head_model
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

FRAME = Frame(np.zeros((48, 64, 3), np.uint8), "trip/Zoë.mp4", 3, Fraction(1001, 10000))


def face(identity: int | None = None, count: int = 68) -> Face:
    points = np.arange(2 * count, dtype=np.float32).reshape(count, 2) + np.float32(0.126)
    box = np.array([1, 2, 30.333, 40.999], np.float32)
    return Face(points, box, score=0.98765, id=identity, presence=identity and 0.12345)


TWO = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
EVERYTHING = frozenset(EXTRAS)
SCHEMA = Path(fkd_infer.__file__).parent / "formats" / "schema" / "fkd-1.json"


def head() -> Face:
    """A head that looks straight ahead, from far away."""
    points = (100 * head_model()[:, :2] + (320, 240)).astype(np.float32)
    return Face(points, np.array([1, 2, 30, 40], np.float32))


def test_json_line_follows_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "new" / "faces.jsonl"
    with JsonLinesSink(path) as sink:
        sink.write(FRAME, [face(7), face()])
        sink.write(FRAME, [])
    first, second = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert list(first) == ["schema", "source", "frame", "time", "width", "height", "faces"]
    assert first["schema"] == "fkd/1"
    assert (first["source"], first["frame"], first["time"]) == ("trip/Zoë.mp4", 3, 0.1001)
    assert (first["width"], first["height"]) == (64, 48)
    assert list(first["faces"][0]) == ["id", "box", "score", "presence", "points"]
    assert [record["id"] for record in first["faces"]] == [7, None]
    assert first["faces"][0]["box"] == [1.0, 2.0, 30.33, 41.0]
    assert first["faces"][0]["score"] == 0.9877
    assert first["faces"][0]["points"][:2] == [[0.13, 1.13], [2.13, 3.13]]
    assert len(first["faces"][0]["points"]) == 68
    assert second["faces"] == []


def test_minus_zero_and_large_numbers_print_plainly(tmp_path: Path) -> None:
    points = np.array([[-0.001, 1e7]], np.float32)
    with JsonLinesSink(tmp_path / "a.jsonl") as sink:
        sink.write(FRAME, [Face(points, np.array([0, 0, 1, 1], np.float32))])
    assert '"points":[[0.0,10000000.0]]' in (tmp_path / "a.jsonl").read_text()


def test_no_line_that_is_not_json(tmp_path: Path) -> None:
    broken = Face(np.full((68, 2), np.nan, np.float32), np.array([0, 0, 1, 1], np.float32))
    with pytest.raises(ValueError, match="JSON"), JsonLinesSink(tmp_path / "a.jsonl") as sink:
        sink.write(FRAME, [broken])
    assert list(tmp_path.iterdir()) == []


def test_dash_prints_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("-", Path("-")):
        with JsonLinesSink(path) as sink:
            sink.write(FRAME, [face()])
            assert json.loads(capsys.readouterr().out)["frame"] == 3
    assert list(tmp_path.iterdir()) == []


def test_csv_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    with CsvSink(path) as sink:
        sink.write(FRAME, [face(7), face()])
        sink.write(FRAME, [])
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:7] == ["source", "frame", "time", "face", "id", "score", "presence"]
    assert [row["presence"] for row in rows] == ["0.1235", ""]
    assert names[7:13] == ["box_x0", "box_y0", "box_x1", "box_y1", "x0", "y0"]
    assert names[-2:] == ["x67", "y67"]
    assert len(names) == 11 + 136
    assert [(row["face"], row["id"]) for row in rows] == [("0", "7"), ("1", "")]
    assert rows[0]["source"] == "trip/Zoë.mp4"
    assert float(rows[0]["time"]) == 0.1001
    assert (rows[0]["box_x1"], rows[0]["x0"], rows[0]["y67"]) == ("30.33", "0.13", "135.13")


def test_csv_quotes_names(tmp_path: Path) -> None:
    name = 'a "b",\nc.png'
    with CsvSink(tmp_path / "a.csv", TWO) as sink:
        sink.write(Frame(FRAME.image, name), [face(count=2)])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["source"] == name


def test_csv_has_a_header_without_faces_and_one_number_of_points(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "a.csv", TWO) as sink:
        pass
    assert (tmp_path / "a.csv").read_text().endswith("box_y1,x0,y0,x1,y1\n")
    with CsvSink(tmp_path / "b.csv", TWO) as sink, pytest.raises(ValueError, match="2 points"):
        sink.write(FRAME, [face()])


def test_json_has_the_extras_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with JsonLinesSink(path, IBUG68, EVERYTHING) as sink:
        sink.write(Frame(np.zeros((480, 640, 3), np.uint8), "a.png"), [head()])
    (record,) = json.loads(path.read_text())["faces"]
    assert list(record)[-3:] == ["points", "pose", "ratios"]
    assert list(record["pose"]) == ["yaw", "pitch", "roll"]
    assert (record["pose"]["yaw"], record["pose"]["roll"]) == pytest.approx((0, 0), abs=0.1)
    assert list(record["ratios"]) == ["left_eye", "right_eye", "mouth"]
    assert record["ratios"]["left_eye"] == record["ratios"]["right_eye"] > 0.1


def test_csv_has_the_extras_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    shut = Face(np.full((68, 2), 9, np.float32), head().box)
    with CsvSink(path, IBUG68, EVERYTHING) as sink:
        sink.write(Frame(np.zeros((480, 640, 3), np.uint8), "a.png"), [head(), shut])
    with path.open() as file:
        first, second = csv.DictReader(file)
    assert list(first)[-7:] == ["y67", "yaw", "pitch", "roll", "left_eye", "right_eye", "mouth"]
    assert float(first["yaw"]) == pytest.approx(0, abs=0.1)
    assert float(first["left_eye"]) == float(first["right_eye"]) > 0.1
    assert [second[name] for name in list(first)[-6:]] == [""] * 6


def test_points_of_another_scheme_have_no_extras(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with JsonLinesSink(path, TWO, EVERYTHING) as sink:
        sink.write(FRAME, [face(count=2)])
    (record,) = json.loads(path.read_text())["faces"]
    assert (record["pose"], record["ratios"]) == (None, None)


@pytest.mark.parametrize("extras", [frozenset(), EVERYTHING])
def test_lines_fit_the_schema_that_is_shipped(tmp_path: Path, extras: frozenset[Extra]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    path = tmp_path / "a.jsonl"
    shut = Face(np.full((68, 2), 9, np.float32), head().box)
    with JsonLinesSink(path, IBUG68, extras) as sink:
        sink.write(FRAME, [face(7), face(), head(), shut])
        sink.write(FRAME, [])
    for line in path.read_text().splitlines():
        jsonschema.validate(json.loads(line), schema)
    broken = {**json.loads(line), "faces": [{"id": 1}]}
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate(broken, schema)


def test_those_that_were_asked_for_are_opened(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("a.jsonl", "a.csv", "a.json", "a.npz")]
    json_lines, table, coco, npz = names
    assert open_records(None, None, None, None, IBUG68) == []
    with ExitStack() as stack:
        for sink in open_records(json_lines, table, coco, npz, IBUG68, EVERYTHING):
            stack.enter_context(sink).write(FRAME, [face()])
    assert sorted(tmp_path.iterdir()) == sorted(names)
    assert "yaw" in json_lines.read_text()
    assert "yaw" in table.read_text()


@pytest.mark.parametrize(("coco", "npz"), [(Path("-"), None), (None, Path("-"))])
def test_what_is_put_together_at_the_end_is_not_printed(
    coco: Path | None, npz: Path | None
) -> None:
    with pytest.raises(OutputError, match="name of a file"):
        open_records(None, None, coco, npz, IBUG68)


@pytest.mark.parametrize("kind", [JsonLinesSink, CsvSink])
class TestFiles:
    def test_none_writes_nothing(self, kind: type[CsvSink], tmp_path: Path) -> None:
        with kind(None) as sink:
            sink.write(FRAME, [face()])
        assert list(tmp_path.iterdir()) == []

    def test_the_name_appears_at_the_end(self, kind: type[CsvSink], tmp_path: Path) -> None:
        path = tmp_path / "out"
        path.write_text("before")
        with kind(path) as sink:
            sink.write(FRAME, [face()])
            assert path.read_text() == "before"
        assert "0.9877" in path.read_text()
        assert list(tmp_path.iterdir()) == [path]

    def test_an_exception_leaves_nothing(self, kind: type[CsvSink], tmp_path: Path) -> None:
        def fail() -> None:
            with kind(tmp_path / "out") as sink:
                sink.write(FRAME, [face()])
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert list(tmp_path.iterdir()) == []

    def test_an_error_of_another_output_is_not_blamed_on_it(
        self, kind: type[CsvSink], tmp_path: Path
    ) -> None:
        with pytest.raises(BrokenPipeError), kind(tmp_path / "out"):
            raise BrokenPipeError

    def test_a_place_that_cannot_be(self, kind: type[CsvSink], tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="file/out: cannot be written"):
            kind(tmp_path / "file" / "out").__enter__()

    def test_a_full_disk(
        self, kind: type[CsvSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("needs /dev/full")
        monkeypatch.setattr("fkd_infer.formats.jsonl_csv._open_text", lambda _: full.open("w"))
        with pytest.raises(OutputError, match="No space left"), kind(tmp_path / "out") as sink:
            sink.write(FRAME, [face()])
