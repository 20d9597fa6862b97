"""ONNX files, looked at before any runtime reads them.

A model is a program. What is checked here is its form: that the file is whole, that it is of
versions that runtimes know, that it asks for nothing but arithmetic on tensors, and that it leads
to no file outside of its folder. How much memory and time the arithmetic takes is not known before.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fkd_infer.errors import InvalidModelError, OutOfMemoryError
from fkd_infer.models.allowed_operators import CONTROL_FLOW, IR_VERSIONS, OPSETS, TENSORS
from fkd_infer.models.external_data import WeightFiles
from fkd_infer.models.protobuf import MessageReader, ModelFormatError
from fkd_infer.models.reader import OnnxFile, TensorInfo, read_onnx
from fkd_infer.system.files.reading import check_regular, open_regular
from fkd_infer.system.files.text_checks import short_repr

MAX_FILE_BYTES = 1 << 30
"""Bytes of a model's file, and of each file that it keeps weights in."""
EXPORT_FIX = "take a file as fkd-export wrote it"
_MOST_PARTS = 1_000_000
_MOST_PORTS = 32


def check_file(path: Path, way_out: str = EXPORT_FIX) -> None:
    """Raises InvalidModelError where a path leads to no file, or to one of no sensible size."""
    try:
        check_regular(path)
        _check_size(path.stat().st_size)
    except ModelFormatError as error:
        raise InvalidModelError(path, str(error), way_out) from error
    except OSError as error:
        raise InvalidModelError(path, error.strerror or str(error), way_out) from error


def check_model(path: Path, way_out: str = EXPORT_FIX) -> OnnxFile:
    """What an ONNX file says of itself, where it may be given to a runtime.

    It may have branches and loops; whether its task needs them is for `borders` to say. Raises
    InvalidModelError, which ends in `way_out`, for any other, and OutOfMemoryError.
    """
    try:
        found = _read(path)
        _check_versions(found)
        _check_operators(found)
        _check_ports("inputs", found.inputs)
        _check_ports("outputs", found.outputs)
    except ModelFormatError as error:
        raise InvalidModelError(path, str(error), way_out) from error
    except (OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
            raise OutOfMemoryError("this machine", f"to load {path}") from error
        raise InvalidModelError(path, error.strerror or str(error), way_out) from error
    return found


def _read(path: Path) -> OnnxFile:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        _check_size(size)
        # Not mapped: a mapped file that somebody cuts short ends the process.
        content = file.read(size)
    if len(content) < size:
        raise ModelFormatError("it became shorter as it was read")
    return read_onnx(MessageReader(content, _MOST_PARTS), WeightFiles(path.parent, MAX_FILE_BYTES))


def _check_size(size: int) -> None:
    if not size:
        raise ModelFormatError("the file is empty")
    if size > MAX_FILE_BYTES:
        raise ModelFormatError(f"it has {size} bytes, and {MAX_FILE_BYTES} are allowed")


def _check_versions(found: OnnxFile) -> None:
    first, last = IR_VERSIONS
    if not first <= found.ir_version <= last:
        raise ModelFormatError(
            f"it has ir_version {found.ir_version}, and {first} to {last} are known"
        )
    for domain in sorted({domain for domain, _ in found.operators if domain in OPSETS}):
        first, last = OPSETS[domain]
        version = found.opsets.get(domain, 0)
        if not first <= version <= last:
            of = f"opset {version}" + (f" of {domain}" if domain else "")
            known = f"{first} is" if first == last else f"{first} to {last} are"
            raise ModelFormatError(f"it has {of}, and {known} known")


def _check_operators(found: OnnxFile) -> None:
    for domain, name in sorted(found.operators - TENSORS - CONTROL_FLOW):
        of = f" of {short_repr(domain)}" if domain else ""
        raise ModelFormatError(f"it has the operator {short_repr(name)}{of}, and may not")


def _check_ports(what: str, ports: tuple[TensorInfo, ...]) -> None:
    if not 1 <= len(ports) <= _MOST_PORTS:
        raise ModelFormatError(f"it has {len(ports)} {what}, and 1 to {_MOST_PORTS} are allowed")
    if len({port.name for port in ports}) < len(ports):
        raise ModelFormatError(f"two of its {what} have one name")
