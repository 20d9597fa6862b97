"""JSON lines are parsed again and compared with the faces that were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from record_samples import ALL_EXTRAS, CLOSED, FRAME, LARGE_FRAME, TWO, face, frontal_face

import fkd_infer
from fkd_infer.choices import Extra
from fkd_infer.formats.json_lines import JsonLinesSink
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face

SCHEMA = Path(fkd_infer.__file__).parent / "formats" / "schema" / "fkd-1.json"


def test_fields_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "faces.jsonl"
    with JsonLinesSink(path) as sink:
        sink.write(FRAME, [face(7), face()])
        sink.write(FRAME, [])
    first, second = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert list(first) == ["schema", "source", "frame", "time", "width", "height", "faces"]
    assert first["schema"] == "fkd/1"
    assert (first["source"], first["frame"], first["time"]) == ("trip/Zoë.mp4", 3, 0.1001)
    assert (first["width"], first["height"]) == (64, 48)
    assert list(first["faces"][0]) == [*("id", "box", "score", "presence", "points", "predicted")]
    assert [record["id"] for record in first["faces"]] == [7, None]
    assert first["faces"][0]["box"] == [1.0, 2.0, 30.33, 41.0]
    assert first["faces"][0]["score"] == 0.9877
    assert first["faces"][0]["points"][:2] == [[0.13, 1.13], [2.13, 3.13]]
    assert len(first["faces"][0]["points"]) == 68
    assert second["faces"] == []


def test_prints_minus_zero_and_large_numbers_plainly(tmp_path: Path) -> None:
    points = np.array([[-0.001, 1e7]], np.float32)
    with JsonLinesSink(tmp_path / "a.jsonl") as sink:
        sink.write(FRAME, [Face(points, np.array([0, 0, 1, 1], np.float32))])
    assert '"points":[[0.0,10000000.0]]' in (tmp_path / "a.jsonl").read_text()


def test_refuses_numbers_that_are_no_json(tmp_path: Path) -> None:
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


def test_requested_extras(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with JsonLinesSink(path, IBUG68, ALL_EXTRAS) as sink:
        sink.write(LARGE_FRAME, [frontal_face()])
    (record,) = json.loads(path.read_text())["faces"]
    assert list(record)[-4:] == ["predicted", "pose", "ratios", "spread"]
    assert record["spread"][:4] == [0, 0.12, 0.25, 0.38]
    assert list(record["pose"]) == ["yaw", "pitch", "roll"]
    assert (record["pose"]["yaw"], record["pose"]["roll"]) == pytest.approx((0, 0), abs=0.1)
    assert list(record["ratios"]) == ["left_eye", "right_eye", "mouth"]
    assert record["ratios"]["left_eye"] == record["ratios"]["right_eye"] > 0.1


def test_other_schemes_have_no_extras(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with JsonLinesSink(path, TWO, ALL_EXTRAS) as sink:
        sink.write(FRAME, [face(count=2)])
    (record,) = json.loads(path.read_text())["faces"]
    assert (record["pose"], record["ratios"]) == (None, None)


@pytest.mark.parametrize("extras", [frozenset(), ALL_EXTRAS])
def test_lines_match_the_shipped_schema(tmp_path: Path, extras: frozenset[Extra]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    path = tmp_path / "a.jsonl"
    with JsonLinesSink(path, IBUG68, extras) as sink:
        sink.write(FRAME, [face(7), face(), frontal_face(), CLOSED])
        sink.write(FRAME, [])
    for line in path.read_text().splitlines():
        jsonschema.validate(json.loads(line), schema)
    broken = {**json.loads(line), "faces": [{"id": 1}]}
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate(broken, schema)
