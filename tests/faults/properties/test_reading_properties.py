"""Any card, filter, manifest or boxes file is read, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from property_strategies import assert_single_line, corrupted, json_values, with_examples
from tiny_models import card, detector_card, five_table

from fkd_infer.detection.boxes_file import COLUMNS, BoxesFile
from fkd_infer.errors import (
    BoxesFileError,
    FilterError,
    ManifestError,
    ModelCardError,
    WrongTaskError,
)
from fkd_infer.filters.pack import read_pack
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.manifest import read_manifest
from fkd_infer.system.files.strict_dataclass import MismatchError, parse_dataclass
from fkd_infer.types import Frame

KINDS = (ModelCard, DetectorCard, EndToEndCard)


def both() -> EndToEndCard:
    return EndToEndCard("both", card(score=True), detector_card(), 0.4, 0.5)


def table_of(made: ModelCard | DetectorCard | EndToEndCard) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(made.to_json())
    return table


GOOD = [table_of(card()), table_of(detector_card()), table_of(both())]
GOOD.append(GOOD[0] | {"scheme": five_table()})
TEXTS = st.text(max_size=60) | st.one_of(*map(corrupted, GOOD), json_values()).map(json.dumps)


@with_examples(150)
@given(text=TEXTS, kind=st.sampled_from(KINDS))
def test_any_text_is_a_card_or_refused(
    text: str, kind: type[ModelCard | DetectorCard | EndToEndCard]
) -> None:
    try:
        found = kind.from_metadata({METADATA_KEY: text}, "a.onnx")
    except (ModelCardError, WrongTaskError) as error:
        assert_single_line(error, "a.onnx")
        return
    assert kind.from_metadata({METADATA_KEY: found.to_json()}, "a.onnx") == found


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "1e999", "NaN", "\0"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_extreme_texts_are_no_cards(
    text: str, kind: type[ModelCard | DetectorCard | EndToEndCard]
) -> None:
    with pytest.raises(ModelCardError) as caught:
        kind.from_metadata({METADATA_KEY: text}, "a.onnx")
    assert_single_line(caught.value, "a.onnx")


@dataclass(frozen=True)
class _Inner:
    number: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError(f"share is {self.share}, and has to be 1 at most")


@dataclass(frozen=True)
class _Outer:
    """A field of each supported type."""

    text: str
    flag: bool
    way: Literal["a", "b"]
    count: Literal[1, 3]
    pair: tuple[float, float]
    many: tuple[int, ...]
    inner: _Inner
    maybe: _Inner | None
    named: dict[str, _Inner]
    scheme: str | LandmarkScheme
    more: dict[str, str] = field(default_factory=dict)


FITS: dict[str, Any] = {
    "text": "x", "flag": True, "way": "a", "count": 3, "pair": [1, 2.5], "many": [1, 2],
    "inner": {"number": 1}, "maybe": None, "named": {"a": {"number": 2, "share": 1}},
    "scheme": five_table(),
}  # fmt: skip


@with_examples(150)
@example(FITS | {"count": True})
@example(FITS | {"pair": [True, 1.0]})
@example(FITS | {"\x1b[2J": 1})
@given(value=corrupted(FITS) | json_values())
def test_any_plain_data_is_parsed_or_refused(value: object) -> None:
    try:
        found = parse_dataclass(_Outer, value, "it")
    except MismatchError as error:
        assert_single_line(error, "it")
        return
    assert isinstance(value, dict)
    assert {type(found.flag), type(found.count), type(found.way)} == {bool, int, str}
    assert all(type(number) is float for number in found.pair)
    assert all(type(number) is int for number in found.many)
    assert set(value) <= {one.name for one in fields(_Outer)}


LAYER = {
    "image": "a.png",
    "anchors": [{"points": [36], "at": [1, 2]}, {"points": [45, 42], "at": [9, 2]}],
    "warp": "head", "z": 1, "offset": [0.1, 0.2], "scale": 1.5, "depth": 0.1, "turn": 10,
    "round": True, "mirrored": True, "blend": "multiply", "opacity": 0.5, "brightness": False,
    "when": "mouth_open",
}  # fmt: skip
PACK = {"version": 1, "name": "a", "title": "A", "scheme": "ibug68", "layers": [LAYER, LAYER]}
PICTURE = cv2.imencode(".png", np.full((8, 12, 4), 90, np.uint8))[1].tobytes()


@with_examples(120)
@given(
    content=st.binary(max_size=60)
    | st.one_of(corrupted(PACK), json_values()).map(lambda table: json.dumps(table).encode())
)
def test_any_file_is_a_filter_or_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "filter.json")
        path.write_bytes(content)
        Path(folder, "a.png").write_bytes(PICTURE)
        try:
            pack, layers = read_pack(path.parent)
        except FilterError as error:
            assert_single_line(error, str(path))
            return
    assert len(layers) == sum(1 + layer.mirrored for layer in pack.layers)


@pytest.mark.parametrize(
    "entry",
    [
        f"sha256 = 0x{'f' * 9000}\nbytes = 1",
        f"sha256 = '{'0' * 64}'\nbytes = 0x{'f' * 9000}",
        f"sha256 = '{'0' * 64}'\nbytes = 0",
        f"sha256 = {'[' * 5000}",
        f"sha256 = {'9' * 5000}",
        "sha256 = '\\u001b[2J'\nbytes = 1",
        '"a\\nb" = 1',
        "sha256 = 2020-01-01",
    ],
)
def test_extreme_entries_are_refused_in_manifests(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(f'["a.onnx"]\n{entry}\n')
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert_single_line(caught.value, str(path))


@with_examples(60)
@given(content=st.binary(max_size=60))
def test_any_file_is_a_manifest_or_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "manifest.toml")
        path.write_bytes(content)
        with pytest.raises(ManifestError) as caught:
            read_manifest(path)
    assert_single_line(caught.value, str(path))


CELLS = st.text(max_size=8) | st.floats().map(str) | st.integers().map(str) | st.just("9" * 5000)
ROWS = st.lists(st.lists(CELLS, max_size=8), max_size=5)
HEADER = ",".join(COLUMNS)


def as_csv(rows: list[list[str]]) -> bytes:
    lines = [HEADER, *(",".join(row) for row in rows)]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def good_row(draw: Callable[..., Any]) -> list[str]:
    x, y = (draw(st.floats(-1e6, 1e6)) for _ in range(2))
    return ["a.jpg", str(draw(st.integers(0, 9))), str(x), str(y), str(x + 10), str(y + 10.5)]


@st.composite
def good_rows(draw: st.DrawFn) -> list[list[str]]:
    return [good_row(draw) for _ in range(draw(st.integers(0, 4)))]


@with_examples(150)
@given(content=st.binary(max_size=60) | ROWS.map(as_csv) | good_rows().map(as_csv))
def test_any_file_is_a_boxes_file_or_refused(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "boxes.csv")
        path.write_bytes(content)
        try:
            found = BoxesFile.read(path)
        except BoxesFileError as error:
            assert_single_line(error, str(path))
            return
    for source, index in found.boxes:
        boxes = found.find(Frame(np.zeros((2, 2), np.uint8), source, index)).boxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@with_examples(30)
@given(rows=good_rows())
def test_all_valid_boxes_are_read(rows: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "boxes.csv")
        path.write_bytes(as_csv(rows))
        found = BoxesFile.read(path)
    assert sum(map(len, found.boxes.values())) == len(rows)
