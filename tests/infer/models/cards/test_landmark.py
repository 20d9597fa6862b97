"""Landmark cards survive JSON, and invalid ones raise."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import card, five_table

from fkd_infer.errors import ModelCardError
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.base import RuntimeParity
from fkd_infer.models.cards.landmark import LandmarkAccuracy, ModelCard, Parity


def five_point_card() -> ModelCard:
    """Returns the card of a network with its own scheme, verified on faces without its points."""
    table = json.loads(card().to_json())
    table["scheme"] = five_table()
    table["parity"] = {"largest_px": 0.001, "mean_px": 0.0001, "nme_change": None, "faces": "64"}
    return ModelCard.from_json(json.dumps(table), "x.onnx")


def full_card() -> ModelCard:
    parity = Parity(0.001, 0.0001, 0.0, "64 drawn faces")
    return replace(
        card(),
        parity=parity,
        accuracy={
            "official": LandmarkAccuracy(5.5, 1.0, 770, 0.003),
            "own": LandmarkAccuracy(5.5, 1.0, 9),
        },
        runs_in={"openvino": RuntimeParity("2026.4.1", 2e-5, None, "13 drawn faces")},
    )


def runs_in(largest_px: float) -> dict[str, object]:
    """Returns the table of a runtime's largest differences."""
    inputs = "13 drawn faces"
    return {"version": "1", "largest_px": largest_px, "largest_score": 0.0, "inputs": inputs}


@pytest.mark.parametrize("original", [card(), full_card(), five_point_card()])
def test_a_card_survives_json(original: ModelCard) -> None:
    assert ModelCard.from_json(original.to_json(), "x.onnx") == original


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "version 2"),
        (("name",), 5, "card.name is 5"),
        (("scheme",), "wflw97", "no scheme is called 'wflw97'; there are: ibug68, wflw98"),
        (("scheme",), 68, "card.scheme is 68"),
        (("scheme",), {"name": "five"}, "card.scheme.count is missing"),
        (("scheme",), five_table() | {"count": "5"}, "card.scheme.count is '5'"),
        (("scheme",), five_table() | {"count": 6}, "card.scheme: point 5 is in none of the groups"),
        (("scheme",), five_table() | {"name": "ibug68"}, "'ibug68' is that of a built-in scheme"),
        (("scheme",), five_table() | {"colour": 1}, "card.scheme.colour is not a field"),
        (("input", "size"), "112", "card.input.size is '112'"),
        (("input", "size"), True, "card.input.size is True"),
        (("input", "channels"), 2, "card.input.channels is 2"),
        (("crop", "shift"), [0.1], "card.crop.shift is [0.1]"),
        (("crop", "border"), "blur", "card.crop.border is 'blur'"),
        (("colour",), "red", "card.colour is not a field"),
        (("accuracy",), {"a": {"nme": 1}}, "card.accuracy.a.failure_rate_10 is missing"),
        (("input", "size"), 7, "size is 7, but must be from 8 to 4096"),
        (("input", "size"), 4097, "size is 4097"),
        (("input", "size"), -128, "size is -128"),
        (("crop", "scale"), 0, "card.crop: scale is 0"),
        (("crop", "scale"), -1.25, "card.crop: scale is -1.25"),
        (("crop", "scale"), 1e300, "crop.scale is 1e+300, but must be from 0.01 to 100"),
        (("crop", "scale"), 1e-300, "crop.scale is 1e-300"),
        (("crop", "scale"), float("nan"), "card.crop.scale is nan, and has to be finite"),
        (("crop", "shift"), [0.0, 1e9], "crop.shift is (0.0, 1000000000.0)"),
        (("crop", "shift"), [float("-inf"), 0.0], "card.crop.shift[0] is -inf"),
        (("box_rules",), {"fkd": {"scale": 1e5}}, "box_rules.fkd.scale is 100000.0"),
        (("name",), "", "the name '' is empty"),
        (("name",), "x" * 201, "201 characters long, and 200 are allowed"),
        (("name",), "fkd\nnet", r"'fkd\nnet' has the character '\n'"),
        (("name",), "\x1b[2Jfkdnet", r"card.name has the control character '\x1b'"),
        (("name",), "fkd\u202enet", r"has the character '\u202e', which cannot be shown"),
        (("name",), "half \ud800", r"card.name has the control character '\ud800'"),
        (("architecture",), "a\tb", "the name 'a\\tb'"),
        (("runs_in",), {"tvm": {"version": "2"}}, "card.runs_in.tvm.largest_px is missing"),
        (("runs_in",), {"tvm": runs_in(-1.0)}, "runs_in.tvm has a difference below 0"),
        (("runs_in",), {"tvm": runs_in(float("nan"))}, "card.runs_in.tvm.largest_px is nan"),
        (("licence",), "\x07" * 5, r"card.licence has the control character '\x07'"),
        (("platform",), "mips", "card.platform is 'mips'"),
        (("licence",), "x" * 30_000, "card.licence is 30000 characters long"),
        (("training", "data"), "\x9b31m", r"card.training.data has the control character"),
        (("exporter",), {"torch\r": "2"}, r"the name 'torch\r' in card.exporter"),
        (("accuracy",), {"a\nb": {}}, r"the name 'a\nb' in card.accuracy"),
        (("colour\x1b",), "red", r"the name 'colour\x1b' in card"),
        (("colour",), ["x" * 100_000], "card.colour[0] is 100000 characters long"),
        (("name",), ["x" * 10_000] * 3, "card.name is ['xxx"),
        (("scheme",), five_table() | {"count": 10**9}, "count is 1000000000, and 5000 points"),
        (("scheme",), five_table() | {"name": "\x00"}, "control character"),
        (("scheme",), five_table() | {"name": "a\tb"}, "cannot be shown"),
        (("scheme",), five_table() | {"closed": ["a\tb"]}, "cannot be shown"),
        (("scheme",), five_table() | {"groups": {" ": [0]}}, "the name ' ' in card.scheme"),
        (("scheme",), five_table() | {"mirror_pairs": [[0, 1], [1, 2]]}, "point 1 more than once"),
        (("scheme",), five_table() | {"mirror_pairs": [[0, 9]]}, "names point 9, but 5 points"),
        (("scheme",), five_table() | {"outer_eye_corners": [0, -1]}, "names point -1"),
    ],
)
def test_an_invalid_value_is_named(path: tuple[str, ...], value: object, message: str) -> None:
    table = json.loads(card().to_json())
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ModelCardError, match=r"x\.onnx") as caught:
        ModelCard.from_json(json.dumps(table), Path("x.onnx"))
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_huge_scheme_is_rejected_quickly() -> None:
    """Its groups name every point more than once."""
    table = json.loads(card().to_json())
    table["scheme"] = five_table() | {"count": 5000, "groups": {"all": [*range(5000)] * 20}}
    start = time.process_time()
    with pytest.raises(ModelCardError, match="more than once"):
        ModelCard.from_json(json.dumps(table), "x.onnx")
    assert time.process_time() - start < 5


def test_a_licence_may_have_several_lines() -> None:
    table = json.loads(card().to_json()) | {"licence": "first line\n\tsecond line"}
    assert ModelCard.from_json(json.dumps(table), "x.onnx").licence.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "3"])
def test_text_that_is_no_card_raises(text: str) -> None:
    with pytest.raises(ModelCardError):
        ModelCard.from_json(text, "x.onnx")


def test_a_built_in_scheme_is_saved_by_name_and_another_in_full() -> None:
    assert card().landmarks is IBUG68
    assert json.loads(card().to_json())["scheme"] == "ibug68"
    five = five_point_card().landmarks
    assert (five.count, five.groups["mouth"], five.outer_eye_corners) == (5, (3, 4), (0, 1))
    assert json.loads(five_point_card().to_json())["scheme"] == five_table()


def test_a_file_without_a_card_raises_with_a_fix() -> None:
    with pytest.raises(ModelCardError, match="fkd-export"):
        ModelCard.from_metadata({"author": "x"}, "x.onnx")
