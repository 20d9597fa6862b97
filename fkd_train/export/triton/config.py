"""Triton's config.pbtxt of an exported model, and its check against the model's graph.

Sources: docs/user_guide/model_configuration.md of triton-inference-server/server for the fields;
ModelState, ValidateInputs and ValidateOutputs in src/onnxruntime.cc of
triton-inference-server/onnxruntime_backend for what the ONNX Runtime backend accepts.
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
from fkd_train.export.triton.schema import DATA_TYPES, model_config

_TYPES: dict[int, str] = {TensorProto.UINT8: "TYPE_UINT8", TensorProto.FLOAT: "TYPE_FP32"}


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs a model: on which device, and how it batches crops.

    `threads` are ONNX Runtime's for one operator; 0 means one per core. A batch waits up to
    `delay_us` microseconds for a `preferred` size, and has at most `largest` crops.
    """

    gpu: bool = False
    threads: int = 0
    largest: int = 64
    preferred: tuple[int, ...] = (8, 32)
    delay_us: int = 500


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
    """Returns a batch of black crops per preferred size, and a single crop."""
    inputs = [{"key": "image", "value": {**_image(card), "zero_data": True}}]
    return [
        {"name": f"batch of {batch}", "batch_size": batch, "inputs": inputs}
        for batch in dict.fromkeys((1, *serving.preferred))
    ]


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
    for warmup in config.model_warmup:
        yield from _size_problems("model_warmup", [warmup.batch_size], largest)
        tensors = {entry.key: entry.value for entry in warmup.inputs}
        yield from _tensor_problems("warm-up input", tensors, graph.inputs)


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
    data_type, dims = _data_type_name(configured.data_type), list(configured.dims)
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


def _data_type_name(number: int) -> str:
    return DATA_TYPES[number] if 0 <= number < len(DATA_TYPES) else str(number)
