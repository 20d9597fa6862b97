"""Our reader of the text format, against the official one."""

from __future__ import annotations

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

from fkd_train.export.pbtxt import quoted, read

TEXT = r"""
# name: "a comment"
name: "a # \"b\" \\ ä\n\u00e4"  # and another
max_batch_size:4
input [ { name: "x" data_type: TYPE_UINT8 dims: [ 2, -1 ] }, { name: "y", dims: 3; dims: 4 } ]
output { name: "z" reshape { shape: [ ] } }
parameters { key: "k" value: { string_value: "v" } }
version_policy { all { } }
"""


def test_it_reads_what_the_official_one_reads() -> None:
    ours = read(TEXT)
    official = text_format.Parse(TEXT, model_config_pb2.ModelConfig())
    assert ours.text("name") == official.name == 'a # "b" \\ ä\nä'
    assert ours.number("max_batch_size") == official.max_batch_size == 4
    for mine, theirs in zip(ours.messages("input"), official.input, strict=True):
        assert mine.text("name") == theirs.name
        assert mine.numbers("dims") == theirs.dims
    assert ours.messages("input")[0].text("data_type") == "TYPE_UINT8"
    reshape = ours.message("output").message("reshape")
    assert reshape.numbers("shape") == official.output[0].reshape.shape == []
    entry = ours.message("parameters")
    assert official.parameters[entry.text("key")].string_value == "v"
    assert entry.message("value").text("string_value") == "v"
    assert ours.message("version_policy").message("all").fields == {}


def test_what_is_absent_is_empty() -> None:
    message = read("")
    assert message.text("name") == ""
    assert message.number("max_batch_size") == 0
    assert message.messages("input") == []


@pytest.mark.parametrize(
    "text", ["plain", 'q"u\\o/te', "tab\t line\n", "ä中\U0001f600", "\x01\x7f"]
)
def test_quoted_strings_come_back_from_both(text: str) -> None:
    line = f"name: {quoted(text)}"
    assert read(line).text("name") == text
    assert text_format.Parse(line, model_config_pb2.ModelConfig()).name == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: 'a'", 'line 1 has "\'" where none can stand'),
        ('\nname: "a', "line 2 has '\"' where none can stand"),
        (r'name: "\x41"', "escape"),
        ("input {", "'input' is not closed"),
        ("input { } }", "'}' closes nothing"),
        ("name:", "'name' has no value"),
        ('name "a"', "'name' has no value"),
        ("name: ]", "'name' has no value"),
        ("dims: [ 1 2 ]", "'dims' lacks a comma before '2'"),
        ("dims: [ 1", "'dims' has no value"),
        (": 1", "':' stands where a field's name should"),
    ],
)
def test_what_is_not_the_format_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(text)


def test_values_of_another_kind_are_refused() -> None:
    message = read('name: 1 name: 2 dims: "x"')
    with pytest.raises(ValueError, match="'name' has a value of another kind"):
        message.text("name")
    with pytest.raises(ValueError, match="'dims' has a value of another kind"):
        message.numbers("dims")
    with pytest.raises(ValueError, match="'name' stands 2 times, and may once"):
        message.number("name")
