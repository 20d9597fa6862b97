"""Checks ONNX files before a runtime reads them.

A model is a program. This checks its form: that the file is complete, has supported versions, only
computes with tensors, and refers to no file outside its folder. It cannot know how much memory and
time the model takes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fkd_infer.errors import InvalidModelError, OutOfMemoryError
from fkd_infer.models.allowed_operators import CONTROL_FLOW, IR_VERSIONS, OPSETS, TENSOR_OPERATORS
from fkd_infer.models.external_data import WeightFiles
from fkd_infer.models.onnx_file import OnnxFile, read_onnx
from fkd_infer.models.protobuf import MessageReader, ModelFormatError
from fkd_infer.models.tensors import TensorInfo
from fkd_infer.system.files.reading import check_regular, open_regular
from fkd_infer.system.files.text_checks import short_repr

MAX_FILE_BYTES = 1 << 30
"""Limit for a model's file, and for each file of its weights."""
EXPORT_FIX = "use a file as fkd-export wrote it"
_MAX_FIELDS = 1_000_000
_MAX_TENSORS = 32
"""Inputs, or outputs, of a network."""


def check_file(path: Path, fix: str = EXPORT_FIX) -> None:
    """Raises InvalidModelError unless a path leads to a file of a possible size."""
    with _invalid_model(path, fix):
        check_regular(path)
        _check_size(path.stat().st_size)


def check_model(path: Path, fix: str = EXPORT_FIX) -> OnnxFile:
    """Returns what an ONNX file says about itself if a runtime may read it.

    Branches and loops are allowed here; `signature` checks whether the model's task needs them.
    Raises InvalidModelError, with the `fix`, and OutOfMemoryError.
    """
    with _invalid_model(path, fix):
        file = _read(path)
        _check_versions(file)
        _check_operators(file)
        _check_tensors("inputs", file.inputs)
        _check_tensors("outputs", file.outputs)
    return file


@contextmanager
def _invalid_model(path: Path, fix: str) -> Iterator[None]:
    """Turns errors of reading and checking a file into errors that name it."""
    try:
        yield
    except ModelFormatError as error:
        raise InvalidModelError(path, str(error), fix) from error
    except (OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
            raise OutOfMemoryError("this machine", f"to load {path}") from error
        raise InvalidModelError(path, error.strerror or str(error), fix) from error


def _read(path: Path) -> OnnxFile:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        _check_size(size)
        # Not memory-mapped: if another program truncates a mapped file, this process crashes.
        content = file.read(size)
    if len(content) < size:
        raise ModelFormatError("it became shorter while it was read")
    return read_onnx(MessageReader(content, _MAX_FIELDS), WeightFiles(path.parent, MAX_FILE_BYTES))


def _check_size(size: int) -> None:
    if not size:
        raise ModelFormatError("the file is empty")
    if size > MAX_FILE_BYTES:
        raise ModelFormatError(f"it has {size} bytes, but at most {MAX_FILE_BYTES} are allowed")


def _check_versions(file: OnnxFile) -> None:
    _check_version("ir_version", file.ir_version, IR_VERSIONS)
    for domain in sorted({domain for domain, _ in file.operators if domain in OPSETS}):
        name = f"opset of {domain}" if domain else "opset"
        _check_version(name, file.opsets.get(domain, 0), OPSETS[domain])


def _check_version(name: str, version: int, supported: tuple[int, int]) -> None:
    first, last = supported
    if not first <= version <= last:
        versions = f"{first}" if first == last else f"{first} to {last}"
        raise ModelFormatError(f"its {name} is {version}, but only {versions} can be read")


def _check_operators(file: OnnxFile) -> None:
    for domain, name in sorted(file.operators - TENSOR_OPERATORS - CONTROL_FLOW):
        of = f" of {short_repr(domain)}" if domain else ""
        raise ModelFormatError(f"its operator {short_repr(name)}{of} is not allowed")


def _check_tensors(what: str, tensors: tuple[TensorInfo, ...]) -> None:
    if not 1 <= len(tensors) <= _MAX_TENSORS:
        allowed = f"1 to {_MAX_TENSORS} are allowed"
        raise ModelFormatError(f"it has {len(tensors)} {what}, but {allowed}")
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ModelFormatError(f"two of its {what} have the same name")
