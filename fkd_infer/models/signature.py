"""Checks that a model's inputs and outputs are those of its task and card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import InvalidModelError
from fkd_infer.models.allowed_operators import CONTROL_FLOW
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import EXPORT_FIX
from fkd_infer.models.onnx_file import OnnxFile
from fkd_infer.models.tensors import TensorInfo
from fkd_infer.system.files.text_checks import short_repr

if TYPE_CHECKING:
    from fkd_infer.models.cards.end_to_end import EndToEndCard

_Signature = tuple[str, str, list[int]]
"""Name, type, and a shape in which 0 stands for any size."""
_IMAGE: _Signature = ("image", "tensor(uint8)", [0, 0, 3])
_ANY = "0 for any size"


def check_landmark_signature(file: OnnxFile, card: ModelCard, path: Path) -> None:
    """Raises InvalidModelError unless the file is a landmark network as its card says."""
    _check_no_control_flow(file, path)
    count = card.landmarks.count
    image_type = "tensor(uint8)" if card.input.has_border else "tensor(float)"
    expected = [
        ("image", image_type, [*card.input.shape]),
        ("points", "tensor(float)", [count, 2]),
    ]
    if card.output.score:
        expected.append(("score", "tensor(float)", []))
    if card.output.spread:
        expected.append(("spread", "tensor(float)", [count]))
    tensors = [*file.inputs, *file.outputs]
    actual = [(tensor.name, tensor.type, list(tensor.shape[1:])) for tensor in tensors]
    if actual != expected:
        problem = f"the graph has {short_repr(actual, 600)}, its card says {expected}"
        raise InvalidModelError(path, problem)
    batches = {tensor.shape[0] if _has_fixed_batch(tensor) else None for tensor in tensors}
    if len(batches) > 1 or not all(tensor.shape for tensor in tensors):
        problem = "the graph's inputs and outputs have different batch sizes"
        raise InvalidModelError(path, problem, "export it with fkd-export")


def fixed_batch(file: OnnxFile) -> int | None:
    """The batch size of a checked landmark network, None if it takes any."""
    size = file.inputs[0].shape[0]
    return size if isinstance(size, int) else None


def _has_fixed_batch(tensor: TensorInfo) -> bool:
    return bool(tensor.shape) and isinstance(tensor.shape[0], int)


def check_detector_signature(file: OnnxFile, path: Path) -> None:
    """Raises InvalidModelError unless the file is a detector."""
    _check_no_control_flow(file, path)
    expected = [
        _IMAGE,
        ("boxes", "tensor(float)", [0, 4]),
        ("scores", "tensor(float)", [0]),
        ("points", "tensor(float)", [0, 5, 2]),
    ]
    _check(file, expected, f"a detector {expected}, {_ANY}", path)


def check_end_to_end_signature(file: OnnxFile, card: EndToEndCard, path: Path) -> None:
    """Raises InvalidModelError unless the file finds faces and places points as its card says."""
    height, width = card.image_size or (0, 0)
    images = [] if card.batch is None else [0 if card.batch == "dynamic" else card.batch]
    faces = [*images, card.max_faces or 0]
    expected = [
        ("image", "tensor(uint8)", [*images, height, width, 3]),
        ("boxes", "tensor(float)", [*faces, 4]),
        ("scores", "tensor(float)", faces),
        ("points", "tensor(float)", [*faces, card.landmarks.landmarks.count, 2]),
    ]
    if card.landmarks.output.score:
        expected.append(("presence", "tensor(float)", faces))
    if card.landmarks.output.spread:
        expected.append(("spread", "tensor(float)", [*faces, card.landmarks.landmarks.count]))
    _check(file, expected, f"its card says {expected}, {_ANY}", path)


def _check_no_control_flow(file: OnnxFile, path: Path) -> None:
    for _, name in sorted(file.operators & CONTROL_FLOW):
        problem = f"its operator {name!r} is not allowed: only end-to-end files branch or loop"
        raise InvalidModelError(path, problem, EXPORT_FIX)


def _check(file: OnnxFile, expected: Sequence[_Signature], expectation: str, path: Path) -> None:
    actual = [
        (tensor.name, tensor.type, [side if isinstance(side, int) else 0 for side in tensor.shape])
        for tensor in (*file.inputs, *file.outputs)
    ]
    if actual != expected:
        raise InvalidModelError(path, f"the graph has {short_repr(actual, 600)}, {expectation}")
