"""The model card: all that the runtime needs to know of a network, inside its ONNX file.

The card is one JSON object in the file's metadata under the key `fkd`. The runtime has no
constants of its own: what the card does not say, it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fkd_infer.crop import CropRule
from fkd_infer.errors import ModelCardError
from fkd_infer.schemes import SCHEMES, LandmarkScheme

METADATA_KEY = "fkd"
VERSION = 1


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The network's input `image`: a batch of square crops."""

    size: int
    channels: Literal[1, 3]
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The network's output `points`: (N, n, 2), in pixels of the crop.

    With `score`, a second one of that name: (N,), the chance that a crop is of a well-framed face.
    """

    space: Literal["crop"] = "crop"
    score: bool = False


@dataclass(frozen=True, slots=True)
class Training:
    """Where the weights come from."""

    recipe: str
    data: str
    split: str
    epochs: int
    seed: int
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Errors on one protocol, in percent of the interocular distance."""

    nme: float
    failure_rate_10: float
    count: int
    seed_mse: float


@dataclass(frozen=True, slots=True)
class Parity:
    """Distance between the exported file and its checkpoint, in crop pixels and NME points.

    `largest_score` is the largest difference of a score; None where the network has none.
    """

    largest_px: float
    mean_px: float
    nme_change: float
    faces: str
    largest_score: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a network wants, gives and is worth; see the module's docstring."""

    name: str
    architecture: str
    scheme: str
    input: InputSpec
    crop: CropRule
    precision: str
    opset: int
    training: Training
    licence: str
    output: OutputSpec = OutputSpec()
    accuracy: dict[str, Measured] = field(default_factory=dict)
    parity: Parity | None = None
    exporter: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    @property
    def landmarks(self) -> LandmarkScheme:
        """The scheme of the points."""
        return SCHEMES[self.scheme]

    def to_json(self) -> str:
        """The text that from_json reads back."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str | Path) -> ModelCard:
        """Reads a card; raises ModelCardError, naming `where` and the field, for anything off."""
        try:
            table = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelCardError(where, f"its card is not JSON: {error}") from error
        version = table.get("version") if isinstance(table, dict) else None
        if version != VERSION:
            known = f"this fkd reads version {VERSION}"
            raise ModelCardError(where, f"its card has version {version!r}, {known}")
        try:
            card = _read(cls, table, "card")
        except _MismatchError as error:
            raise ModelCardError(where, str(error)) from None
        if card.scheme not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise ModelCardError(where, f"card.scheme is {card.scheme!r}, known: {known}")
        return card

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str | Path) -> ModelCard:
        """The card in an ONNX file's metadata; raises ModelCardError where there is none."""
        if METADATA_KEY not in metadata:
            raise ModelCardError(where, "it has no fkd model card")
        return cls.from_json(metadata[METADATA_KEY], where)


class _MismatchError(Exception):
    """A value that does not fit its field."""


T = TypeVar("T")


def _read(kind: type[T], value: object, where: str) -> T:
    """Builds a dataclass, or a value of the types that cards are made of, from plain JSON data."""
    if is_dataclass(kind):
        return cast(T, _read_dataclass(kind, value, where))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal and value in arguments:
        return cast(T, value)
    if origin in (Union, UnionType):
        inner = next(a for a in arguments if a is not NoneType)
        return cast(T, None if value is None else _read(inner, value, where))
    if origin is dict and isinstance(value, dict):
        return cast(T, {str(k): _read(arguments[1], v, f"{where}.{k}") for k, v in value.items()})
    if origin is tuple and isinstance(value, list) and len(value) == len(arguments):
        items = zip(arguments, value, strict=True)
        return cast(T, tuple(_read(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(items)))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return cast(T, float(value))
    if kind in (str, int, float, bool) and type(value) is kind:
        return value
    raise _MismatchError(f"{where} is {value!r}, which does not fit {_type_name(kind)}")


def _read_dataclass(kind: type[Any], value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise _MismatchError(f"{where} is {value!r}, which is no table")
    known = {f.name: f for f in fields(kind)}
    for name in value.keys() - known.keys():
        raise _MismatchError(f"{where}.{name} is not a field of a card")
    for name, field_ in known.items():
        required = field_.default is MISSING and field_.default_factory is MISSING
        if required and name not in value:
            raise _MismatchError(f"{where}.{name} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], v, f"{where}.{name}") for name, v in value.items()})


def _type_name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind)
