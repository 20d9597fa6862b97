"""Detector cards survive JSON, and invalid ones raise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import card, detector_card

from fkd_infer.errors import ModelCardError, WrongTaskError
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.base import METADATA_KEY, RuntimeParity
from fkd_infer.models.cards.detector import DetectorAccuracy, DetectorCard, DetectorParity
from fkd_infer.models.cards.landmark import ModelCard


def full_card() -> DetectorCard:
    measured = DetectorAccuracy(99.1, 0.01, 0.5, 98.7, 2000)
    parity = DetectorParity(0.001, 1e-6, 123, "24 real pictures")
    accuracy = {"identity split, mosaics": measured}
    runs_in = {"opencv": RuntimeParity("5.0.0", 2e-5, 1e-7, "6 drawn pictures")}
    return replace(
        detector_card(),
        parity=parity,
        accuracy=accuracy,
        exporter={"torch": "2"},
        runs_in=runs_in,
    )


def read(text: str) -> DetectorCard:
    return DetectorCard.from_metadata({METADATA_KEY: text}, Path("x.onnx"))


@pytest.mark.parametrize("original", [detector_card(), full_card()])
def test_a_card_survives_json(original: DetectorCard) -> None:
    assert read(original.to_json()) == original


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "version 2"),
        (("version",), None, "version None"),
        (("name",), 5, "card.name is 5"),
        (("threshold",), "0.5", "card.threshold is '0.5'"),
        (("threshold",), 1.5, "threshold is 1.5"),
        (("threshold",), float("nan"), "threshold is nan"),
        (("floor",), -0.1, "floor is -0.1"),
        (("overlap",), 45, "overlap is 45"),
        (("smallest",), 0, "smallest is 0"),
        (("smallest",), float("inf"), "smallest is inf"),
        (("smallest",), 10**400, "card.smallest is 1000"),
        (("box_rule", "scale"), 0, "card.box_rule: scale is 0"),
        (("box_rule", "scale"), float("inf"), "box_rule.scale is inf"),
        (("box_rule", "shift"), [0.0, float("nan")], "box_rule.shift[1] is nan"),
        (("box_rule", "shift"), [0.0], "card.box_rule.shift is [0.0]"),
        (("input", "channels"), 1, "card.input.channels is 1"),
        (("input", "layout"), "CHW", "card.input.layout is 'CHW'"),
        (("colour",), "red", "card.colour is not a field"),
        (("accuracy",), {"a": {"recall": 1}}, "card.accuracy.a.false_per_image is missing"),
        (("parity",), [], "card.parity is []"),
        (("runs_in",), {"tv\nm": {}}, r"the name 'tv\nm' in card.runs_in"),
    ],
)
def test_an_invalid_value_is_named(path: tuple[str, ...], value: object, message: str) -> None:
    table = json.loads(full_card().to_json())
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ModelCardError, match=r"^x\.onnx: ") as caught:
        read(json.dumps(table))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    table = json.loads(detector_card().to_json())
    del table["smallest"]
    with pytest.raises(ModelCardError, match=r"card\.smallest is missing"):
        read(json.dumps(table))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", "3", '{"version": ' + "1" * 5000 + "}", "\0"]
)
def test_text_that_is_no_card_raises(text: str) -> None:
    with pytest.raises(ModelCardError) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [10, 900, 10_000, 100_000])
@pytest.mark.parametrize("field", ["", "version", "task", "name", "box_rule"])
def test_nested_lists_raise_with_one_line(field: str, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    start = detector_card().to_json().rstrip("}\n")
    text = f'{start}, "{field}": {nested}}}' if field else nested
    with pytest.raises((ModelCardError, WrongTaskError)) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_card_of_another_task_raises_with_its_option() -> None:
    with pytest.raises(WrongTaskError, match=r"places points.*use it as --model$"):
        read(card().to_json())
    with pytest.raises(WrongTaskError, match=r"finds faces.*use it as --detector-model$"):
        ModelCard.from_json(detector_card().to_json(), "x.onnx")


@pytest.mark.parametrize("task", ["dance", 5, [1], {"a": 1}, True])
def test_an_unknown_task_is_named(task: object) -> None:
    table = json.loads(detector_card().to_json()) | {"task": task}
    with pytest.raises(WrongTaskError) as caught:
        read(json.dumps(table))
    assert f"has the task {task!r}, but one that finds faces is needed" in str(caught.value)
    assert "use it as" not in str(caught.value)


def test_a_file_without_a_card_raises_with_a_fix() -> None:
    with pytest.raises(ModelCardError, match="fkd-export"):
        DetectorCard.from_metadata({"author": "x"}, "x.onnx")


def test_invalid_numbers_raise_on_construction() -> None:
    with pytest.raises(ValueError, match="threshold is 2"):
        replace(detector_card(), threshold=2)
    with pytest.raises(ValueError, match="scale is -1"):
        BoxRule(-1)
    with pytest.raises(ValueError, match=r"box_rule\.scale is 1000"):
        replace(detector_card(), box_rule=BoxRule(1000))
