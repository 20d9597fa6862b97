"""Our part of Triton's schema, against the client's."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

from fkd_train.export.triton.schema import model_config


def assert_same_fields(ours: Any, official: Any) -> None:
    for field in ours.fields:
        other = official.fields_by_name[field.name]
        assert (field.number, field.type) == (other.number, other.type), field.full_name
        assert field.is_repeated == other.is_repeated, field.full_name
        if field.enum_type is not None:
            values = [(value.name, value.number) for value in field.enum_type.values]
            assert values == [(value.name, value.number) for value in other.enum_type.values]
        if field.message_type is not None:
            assert_same_fields(field.message_type, other.message_type)


def test_every_field_is_the_one_of_the_official_schema() -> None:
    assert_same_fields(model_config().DESCRIPTOR, model_config_pb2.ModelConfig.DESCRIPTOR)


def test_the_official_parser_reads_the_same_message() -> None:
    config = model_config(
        name='a "b" \\ ä\n中\U0001f600\x01\x7f\t line u\\o/te',
        max_batch_size=4,
        input=[{"name": "x", "data_type": "TYPE_UINT8", "dims": [2, -1]}],
        output=[{"name": "z", "reshape": {"shape": []}}],
        parameters=[{"key": "k", "value": {"string_value": "v"}}],
    )
    text = text_format.MessageToString(config, as_utf8=True)
    official = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert official.SerializeToString(deterministic=True) == config.SerializeToString(
        deterministic=True
    )
    assert official.name == config.name
    assert official.output[0].HasField("reshape")
    assert official.parameters["k"].string_value == "v"
