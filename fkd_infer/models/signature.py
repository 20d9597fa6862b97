"""What a model's graph must be like, by what its card says that it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import InvalidModelError
from fkd_infer.models.allowed_operators import CONTROL_FLOW
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import EXPORT_FIX
from fkd_infer.models.reader import OnnxFile
from fkd_infer.system.files.text_checks import short_repr

if TYPE_CHECKING:
    from fkd_infer.models.cards.end_to_end import EndToEndCard

_Border = tuple[str, str, list[int]]
"""A name, a type, and a shape in which 0 is any size."""
_IMAGE: _Border = ("image", "tensor(uint8)", [0, 0, 3])
_ANY = "0 for any size"


def check_landmark_signature(found: OnnxFile, card: ModelCard, path: Path) -> None:
    """Of a network that places points; raises InvalidModelError."""
    _check_straight(found, path)
    size, channels, count = card.input.size, card.input.channels, card.landmarks.count
    wanted = [
        ("image", "tensor(uint8)", [size, size, channels]),
        ("points", "tensor(float)", [count, 2]),
    ]
    if card.output.score:
        wanted.append(("score", "tensor(float)", []))
    ports = [*found.inputs, *found.outputs]
    has = [(port.name, port.kind, list(port.shape[1:])) for port in ports]
    if has != wanted:
        raise InvalidModelError(
            path, f"the graph has {short_repr(has, 600)}, its card says {wanted}"
        )
    if any(not port.shape or isinstance(port.shape[0], int) for port in ports):
        raise InvalidModelError(
            path, "the graph has a fixed batch size", "export it with fkd-export"
        )


def check_detector_signature(found: OnnxFile, path: Path) -> None:
    """Of a detector; raises InvalidModelError."""
    _check_straight(found, path)
    wanted = [
        _IMAGE,
        ("boxes", "tensor(float)", [0, 4]),
        ("scores", "tensor(float)", [0]),
        ("points", "tensor(float)", [0, 5, 2]),
    ]
    _check(found, wanted, f"a detector {wanted}, {_ANY}", path)


def check_end_to_end_signature(found: OnnxFile, card: EndToEndCard, path: Path) -> None:
    """Of a file that finds faces and places points; raises InvalidModelError."""
    wanted = [
        _IMAGE,
        ("boxes", "tensor(float)", [0, 4]),
        ("scores", "tensor(float)", [0]),
        ("points", "tensor(float)", [0, card.landmarks.landmarks.count, 2]),
    ]
    if card.landmarks.output.score:
        wanted.append(("presence", "tensor(float)", [0]))
    _check(found, wanted, f"its card says {wanted}, {_ANY}", path)


def _check_straight(found: OnnxFile, path: Path) -> None:
    for _, name in sorted(found.operators & CONTROL_FLOW):
        why = f"it has the operator {name!r}, and only end-to-end files have branches and loops"
        raise InvalidModelError(path, why, EXPORT_FIX)


def _check(found: OnnxFile, wanted: Sequence[_Border], wants: str, path: Path) -> None:
    has = [
        (port.name, port.kind, [side if isinstance(side, int) else 0 for side in port.shape])
        for port in (*found.inputs, *found.outputs)
    ]
    if has != wanted:
        raise InvalidModelError(path, f"the graph has {short_repr(has, 600)}, {wants}")
