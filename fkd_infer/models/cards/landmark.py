"""The model card: all that the runtime needs to know of a network, inside its ONNX file.

The card is one JSON object in the file's metadata under the key `fkd`. The runtime has no
constants of its own: what the card does not say, it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from fkd_infer.choices import Platform
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.landmarks.schemes import LandmarkScheme, find_scheme
from fkd_infer.models.cards.base import (
    VERSION,
    Training,
    card_text,
    check_names,
    check_rule,
    read_card,
)

MIN_INPUT_SIZE, MAX_INPUT_SIZE = 8, 4096
"""Pixels of a side of the network's input."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The network's input `image`: a batch of square crops; raises ValueError for absurd sizes."""

    size: int
    channels: Literal[1, 3]
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"

    def __post_init__(self) -> None:
        if not MIN_INPUT_SIZE <= self.size <= MAX_INPUT_SIZE:
            allowed = f"{MIN_INPUT_SIZE} to {MAX_INPUT_SIZE} pixels"
            raise ValueError(f"size is {self.size}, and has to be from {allowed}")


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The network's output `points`: (N, n, 2), in pixels of the crop.

    With `score`, a second one of that name: (N,), the chance that a crop is of a well-framed face.
    """

    space: Literal["crop"] = "crop"
    score: bool = False


@dataclass(frozen=True, slots=True)
class LandmarkAccuracy:
    """Errors on one protocol, in percent of the interocular distance."""

    nme: float
    failure_rate_10: float
    count: int
    seed_mse: float


@dataclass(frozen=True, slots=True)
class Parity:
    """Distance between the exported file and its checkpoint, in crop pixels and NME points.

    `nme_change` is None where the true points of `faces` are not known. `largest_score` is the
    largest difference of a score; None where the network has none.
    """

    largest_px: float
    mean_px: float
    nme_change: float | None
    faces: str
    largest_score: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a network wants, gives and is worth; see the module's docstring.

    `scheme` is the name of a built-in scheme, or another one in full; raises ValueError for an
    unknown name, and for what means nothing. `box_rules` are those of detectors whose boxes were
    compared with the scheme's points, by the detector's name; the built-in scheme needs none.
    `platform` names the CPUs that an int8 network was made for; `precision` is words for people.
    """

    name: str
    architecture: str
    scheme: str | LandmarkScheme
    input: InputSpec
    crop: CropRule
    precision: str
    opset: int
    training: Training
    licence: str
    output: OutputSpec = OutputSpec()
    accuracy: dict[str, LandmarkAccuracy] = field(default_factory=dict)
    box_rules: dict[str, BoxRule] = field(default_factory=dict)
    parity: Parity | None = None
    exporter: dict[str, str] = field(default_factory=dict)
    platform: Platform = "any"
    version: int = VERSION

    def __post_init__(self) -> None:
        find_scheme(self.scheme)
        check_names(self.name, self.architecture, self.precision, *self.box_rules, *self.accuracy)
        check_rule("crop", self.crop)
        for name, rule in self.box_rules.items():
            check_rule(f"box_rules.{name}", rule)

    @property
    def needs_dot_products(self) -> bool:
        """Whether it was made for CPUs that multiply bytes exactly; others get wrong points."""
        return self.platform == "vnni"

    @property
    def landmarks(self) -> LandmarkScheme:
        """The scheme of the points."""
        return find_scheme(self.scheme)

    def to_json(self) -> str:
        """The text that from_json reads back."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str | Path) -> ModelCard:
        """Reads a card; raises ModelCardError, naming `where` and the field, for anything off."""
        return read_card(cls, text, where, None)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str | Path) -> ModelCard:
        """The card in an ONNX file's metadata; raises ModelCardError where there is none."""
        return cls.from_json(card_text(metadata, where), where)
