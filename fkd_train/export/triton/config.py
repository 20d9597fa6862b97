"""Triton's config.pbtxt of an exported model, and its check against the model's graph.

Sources: docs/user_guide/model_configuration.md of triton-inference-server/server for the fields;
ModelState, ValidateInputs and ValidateOutputs in src/onnxruntime.cc of
triton-inference-server/onnxruntime_backend for what the ONNX Runtime backend accepts; "ONNX Runtime
with TensorRT optimization" in its README.md, and LoadModel, for TensorRT.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf import text_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from fkd_infer.errors import InvalidModelError
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import ModelCard
from fkd_train.errors import TritonConfigError
from fkd_train.export.triton.schema import DATA_TYPES, KINDS, model_config
from fkd_train.export.triton.serving import Serving, TensorRt

_TENSORRT = "tensorrt"
_ACCELERATORS = (_TENSORRT, "cuda")
_PRECISIONS = ("FP32", "FP16", "BF16", "INT8")
_SWITCHES = ("1", "0", "true", "false")
_GPU_KINDS = ("KIND_GPU", "KIND_AUTO")

_TYPES: dict[int, str] = {TensorProto.UINT8: "TYPE_UINT8", TensorProto.FLOAT: "TYPE_FP32"}


def config_text(name: str, card: ModelCard, serving: Serving) -> str:
    """Writes the text of a model's config.pbtxt.

    Its parameter `fkd` is the card, for clients; the backend ignores unknown parameters.
    """
    config = model_config(
        name=name,
        backend="onnxruntime",
        max_batch_size=serving.largest,
        version_policy={"latest": {"num_versions": 1}},
        input=[{"name": "image", **_image(card)}],
        output=_outputs(card),
        dynamic_batching={
            "preferred_batch_size": serving.preferred,
            "max_queue_delay_microseconds": serving.delay_us,
        },
        instance_group=[{"kind": "KIND_GPU" if serving.gpu else "KIND_CPU", "count": 1}],
        optimization=_optimization(serving.tensorrt),
        model_warmup=_warmups(card, serving),
        parameters=[
            _parameter("intra_op_thread_count", str(serving.threads)),
            _parameter(METADATA_KEY, card.to_json()),
        ],
    )
    text = text_format.MessageToString(config, as_utf8=True, use_short_repeated_primitives=True)
    return f"{_comment(card)}\n{text}"


def _comment(card: ModelCard) -> str:
    lines = [f"{card.name}: {card.landmarks.count} points, {card.precision}, opset {card.opset}"]
    for protocol, measured in card.accuracy.items():
        lines.append(f"{protocol}: NME {measured.nme:.2f} % on {measured.count} faces")
    return "\n".join(f"# {' '.join(line.split())}" for line in lines)


def _image(card: ModelCard) -> dict[str, Any]:
    size = card.input.size
    return {"data_type": "TYPE_UINT8", "dims": [size, size, card.input.channels]}


def _outputs(card: ModelCard) -> list[dict[str, Any]]:
    count = card.landmarks.count
    # The graph's shape is (N,), and dims must not be empty ("Inputs and Outputs" in
    # model_configuration.md): clients get (N, 1). "Reshape", there, describes this case, and
    # ValidateOutputs compares the reshape with the graph.
    shapes: dict[str, dict[str, Any]] = {
        "points": {"dims": [count, 2]},
        "score": {"dims": [1], "reshape": {"shape": []}},
        "spread": {"dims": [count]},
    }
    names = card.output.names
    return [{"name": name, "data_type": "TYPE_FP32", **shapes[name]} for name in names]


def _warmups(card: ModelCard, serving: Serving) -> list[dict[str, Any]]:
    """Returns the batches of black crops that the server runs first."""
    inputs = [{"key": "image", "value": {**_image(card), "zero_data": True}}]
    return [
        {"name": f"batch of {batch}", "batch_size": batch, "inputs": inputs}
        for batch in serving.warm_up_batches()
    ]


def _optimization(tensorrt: TensorRt | None) -> dict[str, Any] | None:
    """Returns the accelerator that replaces CUDA, where TensorRT has a node's operator."""
    if tensorrt is None:
        return None
    parameters = {
        "precision_mode": tensorrt.precision.upper(),
        "max_workspace_size_bytes": str(tensorrt.workspace),
    }
    if tensorrt.engine_cache:
        parameters["trt_engine_cache_enable"] = "1"
        parameters["trt_engine_cache_path"] = tensorrt.engine_cache
    entries = [{"key": key, "value": value} for key, value in parameters.items()]
    accelerator = {"name": _TENSORRT, "parameters": entries}
    return {"execution_accelerators": {"gpu_execution_accelerator": [accelerator]}}


def _parameter(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"string_value": value}}


def check_config(config: Path, model: Path) -> None:
    """Checks that the server would serve the model in batches with REPO/<name>/config.pbtxt.

    Fields that exported models do not use are not checked. Raises TritonConfigError with all
    differences, InvalidModelError for an unreadable model.
    """
    graph = _read_graph(model)
    try:
        text = config.read_text("utf-8")
        message = text_format.Parse(text, model_config(), allow_unknown_field=True)
    except OSError as error:
        raise TritonConfigError(config, model, error.strerror or str(error)) from error
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise TritonConfigError(config, model, str(error)) from error
    problems = list(_problems(message, config.parent.name, graph))
    if problems:
        raise TritonConfigError(config, model, "; ".join(problems))


@dataclass(frozen=True, slots=True)
class _Tensor:
    """An input or output of a graph, in the server's terms; -1 is any size."""

    name: str
    data_type: str
    shape: list[int]


@dataclass(frozen=True, slots=True)
class _Graph:
    inputs: list[_Tensor]
    outputs: list[_Tensor]


def _read_graph(model: Path) -> _Graph:
    """Reads inputs and outputs from the graph itself, not from the card."""
    try:
        graph = onnx.load(model, load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise InvalidModelError(model, str(error)) from error
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [_tensor(value) for value in graph.input if value.name not in constants]
    return _Graph(inputs, [_tensor(value) for value in graph.output])


def _tensor(value: onnx.ValueInfoProto) -> _Tensor:
    tensor_type = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor_type.shape.dim]
    other = f"ONNX's {TensorProto.DataType.Name(tensor_type.elem_type)}"
    return _Tensor(value.name, _TYPES.get(tensor_type.elem_type, other), dims)


def _problems(config: Any, folder: str, graph: _Graph) -> Iterator[str]:
    if config.name != folder:
        yield f"its name is {config.name!r}, its folder's {folder!r}"
    if config.backend != "onnxruntime":
        yield f"its backend is {config.backend!r}, not 'onnxruntime'"
    largest = config.max_batch_size
    if largest < 1:
        yield f"its max_batch_size is {largest}, and must be 1 or more"
    preferred = config.dynamic_batching.preferred_batch_size
    yield from _size_problems("preferred_batch_size", preferred, largest)
    yield from _tensor_problems("input", _by_name(config.input), graph.inputs)
    yield from _tensor_problems("output", _by_name(config.output), graph.outputs)
    yield from _accelerator_problems(config)
    for warmup in config.model_warmup:
        yield from _size_problems("model_warmup", [warmup.batch_size], largest)
        tensors = {entry.key: entry.value for entry in warmup.inputs}
        yield from _tensor_problems("warm-up input", tensors, graph.inputs)


def _accelerator_problems(config: Any) -> Iterator[str]:
    """Yields what the backend refuses, or ignores on a CPU, of accelerators for GPUs."""
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    kinds = {_name(KINDS, instances.kind) for instances in config.instance_group}
    if accelerators and kinds and not kinds & set(_GPU_KINDS):
        yield f"its accelerator {accelerators[0].name!r} needs an instance of KIND_GPU"
    for accelerator in accelerators:
        if accelerator.name not in _ACCELERATORS:
            yield f"its accelerator is {accelerator.name!r}, not {' or '.join(_ACCELERATORS)}"
        if accelerator.name != _TENSORRT:
            continue
        parameters = {entry.key: entry.value for entry in accelerator.parameters}
        precision = parameters.get("precision_mode", "FP32")
        if precision not in _PRECISIONS:
            yield f"its precision_mode is {precision!r}, not one of {', '.join(_PRECISIONS)}"
        workspace = parameters.get("max_workspace_size_bytes", "1")
        if not (workspace.isascii() and workspace.isdecimal() and int(workspace)):
            yield f"its max_workspace_size_bytes is {workspace!r}, not a number above 0"
        cached = parameters.get("trt_engine_cache_enable", "0")
        if cached.lower() not in _SWITCHES:
            yield f"its trt_engine_cache_enable is {cached!r}, not one of {', '.join(_SWITCHES)}"


def _by_name(tensors: Sequence[Any]) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in tensors}


def _size_problems(field: str, sizes: Sequence[int], largest: int) -> Iterator[str]:
    for size in sizes:
        if not 1 <= size <= largest:
            yield f"its {field} {size} is not from 1 to max_batch_size, {largest}"


def _tensor_problems(
    kind: str, configured: Mapping[str, Any], tensors: Sequence[_Tensor]
) -> Iterator[str]:
    names = [tensor.name for tensor in tensors]
    for name in configured:
        if name not in names:
            yield f"{kind} {name!r} is not in the model, which has {', '.join(names)}"
    for tensor in tensors:
        if tensor.name in configured:
            subject = f"{kind} {tensor.name!r}"
            yield from _differences(subject, configured[tensor.name], tensor)
        else:
            yield f"{kind} {tensor.name!r} of the model is missing"


def _differences(subject: str, configured: Any, tensor: _Tensor) -> Iterator[str]:
    data_type, dims = _name(DATA_TYPES, configured.data_type), list(configured.dims)
    shape = _graph_shape(configured)
    if data_type != tensor.data_type:
        yield f"{subject} has data_type {data_type}, the model {tensor.data_type}"
    if not dims:
        yield f"{subject} has no dims, and needs at least one"
    if math.prod(dims) != math.prod(shape):
        yield f"{subject} has dims {dims}, which cannot be reshaped to {shape}"
    if shape != tensor.shape[1:]:
        yield f"{subject} has dims {shape} after the batch, the model {tensor.shape[1:]}"
    if tensor.shape[:1] != [-1]:
        yield f"{subject} has no batch axis in the model: its shape there is {tensor.shape}"


def _graph_shape(configured: Any) -> list[int]:
    """Returns the shape after the batch axis that the server passes to the graph."""
    fields = configured.DESCRIPTOR.fields_by_name
    if "reshape" in fields and configured.HasField("reshape"):
        return list(configured.reshape.shape)
    return list(configured.dims)


def _name(names: Sequence[str], number: int) -> str:
    """The name of an enumeration's number, as text if it has none."""
    return names[number] if 0 <= number < len(names) else str(number)
