"""The part of Triton's model_config.proto that exported models need, as protobuf messages.

Source: protobuf/model_config.proto in triton-inference-server/common. No package but Triton's own
client carries it, so the descriptors are built here; tests compare them with the client's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

# fmt: off
DATA_TYPES = (
    "TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64",
    "TYPE_INT8", "TYPE_INT16", "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64",
    "TYPE_STRING", "TYPE_BF16",
)
# fmt: on
"""Names of tensor element types, by their numbers."""

KINDS = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")
"""Names of what instances of a model run on, by their numbers."""

_PACKAGE = "inference"
_ENUMS = {
    "DataType": DATA_TYPES,
    "Kind": KINDS,
}
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ModelConfig": {
        "name": (1, "string"),
        "version_policy": (3, "ModelVersionPolicy"),
        "max_batch_size": (4, "int32"),
        "input": (5, "repeated ModelInput"),
        "output": (6, "repeated ModelOutput"),
        "instance_group": (7, "repeated ModelInstanceGroup"),
        "dynamic_batching": (11, "ModelDynamicBatching"),
        "optimization": (12, "ModelOptimizationPolicy"),
        "parameters": (14, "repeated ParametersEntry"),
        "model_warmup": (16, "repeated ModelWarmup"),
        "backend": (17, "string"),
    },
    "ModelVersionPolicy": {"latest": (1, "Latest")},
    "Latest": {"num_versions": (1, "uint32")},
    "ModelInput": {
        "name": (1, "string"),
        "data_type": (2, "DataType"),
        "dims": (4, "repeated int64"),
        "reshape": (5, "ModelTensorReshape"),
    },
    "ModelOutput": {
        "name": (1, "string"),
        "data_type": (2, "DataType"),
        "dims": (3, "repeated int64"),
        "reshape": (5, "ModelTensorReshape"),
    },
    "ModelTensorReshape": {"shape": (1, "repeated int64")},
    "ModelInstanceGroup": {"count": (2, "int32"), "kind": (4, "Kind")},
    "ModelDynamicBatching": {
        "preferred_batch_size": (1, "repeated int32"),
        "max_queue_delay_microseconds": (2, "uint64"),
    },
    "ModelOptimizationPolicy": {"execution_accelerators": (4, "ExecutionAccelerators")},
    "ExecutionAccelerators": {"gpu_execution_accelerator": (1, "repeated Accelerator")},
    "Accelerator": {"name": (1, "string"), "parameters": (2, "repeated AcceleratorEntry")},
    # A map is a repeated message of keys and values, in the text as on the wire.
    "AcceleratorEntry": {"key": (1, "string"), "value": (2, "string")},
    "ParametersEntry": {"key": (1, "string"), "value": (2, "ModelParameter")},
    "ModelParameter": {"string_value": (1, "string")},
    "ModelWarmup": {
        "name": (1, "string"),
        "batch_size": (2, "uint32"),
        "inputs": (3, "repeated InputsEntry"),
    },
    "InputsEntry": {"key": (1, "string"), "value": (2, "Input")},
    "Input": {
        "data_type": (1, "DataType"),
        "dims": (2, "repeated int64"),
        "zero_data": (3, "bool"),
    },
}
"""Each message's fields: their numbers, and their types as a .proto file writes them."""


def model_config(**fields: Any) -> Any:
    """Builds a ModelConfig message with these fields."""
    return _model_config_class()(**fields)


@cache
def _model_config_class() -> Any:
    # A pool of its own: the default one holds the client's messages where that is installed.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ModelConfig"))


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="fkd_model_config.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.add(name=field, number=number, **_field_type(kind))
    return file


def _field_type(kind: str) -> dict[str, Any]:
    field = descriptor_pb2.FieldDescriptorProto
    name = kind.removeprefix("repeated ")
    label = field.LABEL_OPTIONAL if name == kind else field.LABEL_REPEATED
    if name in _ENUMS:
        return {"label": label, "type": field.TYPE_ENUM, "type_name": f".{_PACKAGE}.{name}"}
    if name in _MESSAGES:
        return {"label": label, "type": field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{name}"}
    return {"label": label, "type": field.Type.Value(f"TYPE_{name.upper()}")}
