"""Exported models as a model repository of Triton Inference Server, checked against the graphs.

    REPO/<name>/config.pbtxt         what the server is told of the model
    REPO/<name>/<version>/model.onnx the exported file as it is

What a configuration may say: the server's docs/user_guide/model_configuration.md and
model_config.proto in triton-inference-server/common. What its ONNX Runtime backend accepts and
which parameters it reads: ModelState, ValidateInputs and ValidateOutputs in src/onnxruntime.cc of
triton-inference-server/onnxruntime_backend.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from fkd_infer.errors import InvalidModelError, OutputError
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.errors import TritonConfigError
from fkd_train.export.pbtxt import Message, quoted, read

CONFIG = "config.pbtxt"
MODEL = "model.onnx"
_TYPES: dict[int, str] = {TensorProto.UINT8: "TYPE_UINT8", TensorProto.FLOAT: "TYPE_FP32"}


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs a model: on which device, and how it gathers crops into batches.

    `threads` are ONNX Runtime's for one operator, 0 for as many as it finds cores. A batch waits
    up to `delay_us` microseconds for a `preferred` size, and never exceeds `largest`.
    """

    gpu: bool = False
    threads: int = 0
    largest: int = 64
    preferred: tuple[int, ...] = (8, 32)
    delay_us: int = 500


def write_repository(
    repository: Path, models: Sequence[Path], serving: Serving | None = None
) -> list[Path]:
    """Adds models to a repository, each under its file's name; returns the versions' folders.

    A file that differs from the highest version becomes the next one; config.pbtxt is written
    anew. Raises an FkdError, before anything is written, for a file that is not an exported model
    and for two of one name; OutputError for a place that cannot be written.
    """
    serving = serving or Serving()
    sessions = [LandmarkSession(model, "cpu") for model in models]
    taken: dict[str, Path] = {}
    for session in sessions:
        first = taken.setdefault(session.path.stem, session.path)
        if first is not session.path:
            why = f"{first} and {session.path} have the same name"
            raise OutputError(repository / session.path.stem, why, "rename one")
    return [_write_model(repository, session.path, session.card, serving) for session in sessions]


def _write_model(repository: Path, model: Path, card: ModelCard, serving: Serving) -> Path:
    folder = repository / model.stem
    config = folder / CONFIG
    with _no_empty_folder(folder), atomic_write(config) as partial:
        with output_errors(config):
            partial.write_text(config_text(model.stem, card, serving), encoding="utf-8")
        check_config(partial, model)
        # Before the configuration's own name: a server that looks in between then finds either the
        # old model or a new one, but no configuration without its model.
        return _add_version(folder, model)


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """Removes a folder in which nothing came to be: the server would take it for a broken model."""
    try:
        yield
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _add_version(folder: Path, model: Path) -> Path:
    """The folder of the version that is this file, made where the highest is another."""
    with output_errors(folder):
        versions = [0, *(int(path.name) for path in folder.iterdir() if _is_version(path))]
        highest = folder / str(max(versions))
        if (highest / MODEL).is_file() and (highest / MODEL).read_bytes() == model.read_bytes():
            return highest
        added = folder / str(max(versions) + 1)
        # Under a name that is no number, and so none to the server, until it is whole.
        with TemporaryDirectory(dir=folder, prefix=".version-") as unfinished:
            version = Path(unfinished) / added.name
            version.mkdir()
            shutil.copyfile(model, version / MODEL)
            version.rename(added)
    return added


def _is_version(path: Path) -> bool:
    """Whether the server takes it for one: a folder with a number that starts with no zero."""
    name = path.name
    return path.is_dir() and name.isascii() and name.isdecimal() and not name.startswith("0")


def config_text(name: str, card: ModelCard, serving: Serving) -> str:
    """The config.pbtxt of a model. Its parameter `fkd` is the card, so that clients can ask for it:
    the backend reads no parameter that it does not know."""
    device = "KIND_GPU" if serving.gpu else "KIND_CPU"
    preferred = ", ".join(map(str, serving.preferred))
    return f"""{_comment(card)}
name: {quoted(name)}
backend: "onnxruntime"
max_batch_size: {serving.largest}
version_policy {{ latest {{ num_versions: 1 }} }}
input [
  {{ name: "image" {_image(card)} }}
]
output [
  {_outputs(card)}
]
dynamic_batching {{
  preferred_batch_size: [ {preferred} ]
  max_queue_delay_microseconds: {serving.delay_us}
}}
instance_group [
  {{ kind: {device} count: 1 }}
]
model_warmup [
  {_warmups(card, serving)}
]
{_parameter("intra_op_thread_count", str(serving.threads))}
{_parameter(METADATA_KEY, card.to_json())}
"""


def _comment(card: ModelCard) -> str:
    lines = [f"{card.name}: {card.landmarks.count} points, {card.precision}, opset {card.opset}"]
    for protocol, measured in card.accuracy.items():
        lines.append(f"{protocol}: NME {measured.nme:.2f} % on {measured.count} faces")
    return "\n".join(f"# {' '.join(line.split())}" for line in lines)


def _image(card: ModelCard) -> str:
    size = card.input.size
    return f"data_type: TYPE_UINT8 dims: [ {size}, {size}, {card.input.channels} ]"


def _outputs(card: ModelCard) -> str:
    points = f'{{ name: "points" data_type: TYPE_FP32 dims: [ {card.landmarks.count}, 2 ] }}'
    if not card.output.score:
        return points
    # The graph answers (N,). Empty dims are not allowed ("Inputs and Outputs" in
    # model_configuration.md), so a client gets (N, 1); "Reshape", there, gives these very lines.
    # ValidateOutputs compares the reshape, where there is one, with the graph.
    score = '{ name: "score" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }'
    return f"{points},\n  {score}"


def _warmups(card: ModelCard, serving: Serving) -> str:
    """A batch of black crops of each size that the server forms on purpose."""
    crops = f'{{ key: "image" value {{ {_image(card)} zero_data: true }} }}'
    return ",\n  ".join(
        f'{{ name: "batch of {batch}" batch_size: {batch} inputs {crops} }}'
        for batch in dict.fromkeys((1, *serving.preferred))
    )


def _parameter(key: str, value: str) -> str:
    return f"parameters {{ key: {quoted(key)} value {{ string_value: {quoted(value)} }} }}"


@dataclass(frozen=True, slots=True)
class _Tensor:
    """An input or output of a graph, in the server's terms; -1 is any size."""

    name: str
    data_type: str
    shape: list[int]


def check_config(config: Path, model: Path) -> None:
    """Raises TritonConfigError, which lists all differences, where the server would not serve the
    model in batches with a REPO/<name>/config.pbtxt."""
    border = _border(model)
    try:
        problems = list(_problems(read(config.read_text("utf-8")), config.parent.name, *border))
    except OSError as error:
        raise TritonConfigError(config, model, error.strerror or str(error)) from error
    except ValueError as error:
        raise TritonConfigError(config, model, str(error)) from error
    if problems:
        raise TritonConfigError(config, model, "; ".join(problems))


def _problems(
    config: Message, folder: str, inputs: list[_Tensor], outputs: list[_Tensor]
) -> Iterator[str]:
    if config.text("name") != folder:
        yield f"its name is {config.text('name')!r}, its folder's {folder!r}"
    if config.text("backend") != "onnxruntime":
        yield f"its backend is {config.text('backend')!r}, which is not 'onnxruntime'"
    largest = config.number("max_batch_size")
    if largest < 1:
        yield f"its max_batch_size is {largest}, and has to be 1 or more"
    preferred = [
        size
        for batching in config.messages("dynamic_batching")
        for size in batching.numbers("preferred_batch_size")
    ]
    yield from _size_problems("preferred_batch_size", preferred, largest)
    yield from _tensor_problems("input", _named(config.messages("input")), inputs)
    yield from _tensor_problems("output", _named(config.messages("output")), outputs)
    for warmup in config.messages("model_warmup"):
        yield from _size_problems("model_warmup", [warmup.number("batch_size")], largest)
        entries = warmup.messages("inputs")
        tensors = {entry.text("key"): entry.message("value") for entry in entries}
        yield from _tensor_problems("warm-up input", tensors, inputs)


def _named(tensors: list[Message]) -> dict[str, Message]:
    return {tensor.text("name"): tensor for tensor in tensors}


def _size_problems(what: str, sizes: list[int], largest: int) -> Iterator[str]:
    for size in sizes:
        if not 1 <= size <= largest:
            yield f"its {what} {size} is not from 1 to max_batch_size, {largest}"


def _tensor_problems(
    kind: str, declared: dict[str, Message], found: list[_Tensor]
) -> Iterator[str]:
    names = [tensor.name for tensor in found]
    for name in declared:
        if name not in names:
            yield f"{kind} {name!r} is none of the model's: {', '.join(names)}"
    for tensor in found:
        if tensor.name in declared:
            where = f"{kind} {tensor.name!r}"
            yield from _differences(where, declared[tensor.name], tensor)
        else:
            yield f"{kind} {tensor.name!r} of the model is missing"


def _differences(where: str, declared: Message, tensor: _Tensor) -> Iterator[str]:
    data_type, dims = declared.text("data_type"), declared.numbers("dims")
    reshaped = "reshape" in declared.fields
    shape = declared.message("reshape").numbers("shape") if reshaped else dims
    if data_type != tensor.data_type:
        yield f"{where} has data_type {data_type}, the model {tensor.data_type}"
    if not dims:
        yield f"{where} has no dims, and needs at least one"
    if math.prod(dims) != math.prod(shape):
        yield f"{where} has dims {dims}, which cannot take the shape {shape}"
    if shape != tensor.shape[1:]:
        yield f"{where} has dims {shape} after the batch, the model {tensor.shape[1:]}"
    if tensor.shape[:1] != [-1]:
        yield f"{where} has no batch in the model: its shape there is {tensor.shape}"


def _border(model: Path) -> tuple[list[_Tensor], list[_Tensor]]:
    """Inputs and outputs as the graph has them, whatever the card says."""
    try:
        graph = onnx.load(model, load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise InvalidModelError(model, str(error)) from error
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [_tensor(value) for value in graph.input if value.name not in constants]
    return inputs, [_tensor(value) for value in graph.output]


def _tensor(value: onnx.ValueInfoProto) -> _Tensor:
    kind = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
    unknown = f"ONNX's {TensorProto.DataType.Name(kind.elem_type)}"
    return _Tensor(value.name, _TYPES.get(kind.elem_type, unknown), dims)
