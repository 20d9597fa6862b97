"""The card of a landmark network: all that the runtime needs to know, in its ONNX file.

The runtime assumes nothing that the card does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fkd_infer.choices import Platform
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.landmarks.schemes import LandmarkScheme, find_scheme
from fkd_infer.models.cards.base import (
    VERSION,
    Card,
    RuntimeParity,
    Training,
    check_names,
    check_rule,
    check_runs_in,
)

MIN_INPUT_SIZE, MAX_INPUT_SIZE = 8, 4096
"""Limits for a side of the network's input, in pixels."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The network's input `image`: a batch of square crops, gray or BGR, uint8 (N, S, S, C).

    Files for other programs take float32 planes (N, C, S, S) in [0, 1] instead, gray or RGB; the
    runtime does not. Raises ValueError for other sizes, types and layouts.
    """

    size: int
    channels: Literal[1, 3]
    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["NHWC", "NCHW"] = "NHWC"

    @classmethod
    def of(cls, size: int, channels: Literal[1, 3], border: bool) -> InputSpec:
        """The input of a file with the border, which takes pixels, or of one without."""
        return cls(size, channels) if border else cls(size, channels, "float32", "NCHW")

    @property
    def has_border(self) -> bool:
        """Whether it takes pixels, as the runtime gives them."""
        return self.dtype == "uint8"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one crop."""
        sides = self.size, self.size
        return (*sides, self.channels) if self.has_border else (self.channels, *sides)

    def __post_init__(self) -> None:
        if (self.dtype, self.layout) not in (("uint8", "NHWC"), ("float32", "NCHW")):
            allowed = "uint8 NHWC, or float32 NCHW"
            raise ValueError(f"it is {self.dtype} {self.layout}, but must be {allowed}")
        if not MIN_INPUT_SIZE <= self.size <= MAX_INPUT_SIZE:
            allowed = f"{MIN_INPUT_SIZE} to {MAX_INPUT_SIZE} pixels"
            raise ValueError(f"size is {self.size}, but must be from {allowed}")


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The network's output `points`: (N, n, 2), in pixels of the crop.

    With `score`, there is an output `score`: (N,), near 1 for a well-framed face with exact points,
    0.5 for points that are off by 15 % of the interocular distance, near 0 without a face. With
    `spread`, there is an output `spread`: (N, n), the expected error of each point in pixels of the
    crop.
    """

    space: Literal["crop"] = "crop"
    score: bool = False
    spread: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the graph's outputs, in order."""
        return ["points", *(["score"] if self.score else []), *(["spread"] if self.spread else [])]

    @property
    def fields(self) -> list[str]:
        """The fields of a Prediction that they become, in order."""
        fields = {"points": "points", "score": "scores", "spread": "spreads"}
        return [fields[name] for name in self.names]


@dataclass(frozen=True, slots=True)
class LandmarkAccuracy:
    """Errors on `count` faces, in percent of the interocular distance; `seed_mse` is the original
    program's metric, of ibug68 alone."""

    nme: float
    failure_rate_10: float
    count: int
    seed_mse: float | None = None


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences between the exported file and its checkpoint, in crop pixels and NME points.

    `nme_change` is None if the true points of `faces` are unknown, `largest_score` and
    `largest_spread` if the network has no such output.
    """

    largest_px: float
    mean_px: float
    nme_change: float | None
    faces: str
    largest_score: float | None = None
    largest_spread: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard(Card):
    """What the file of a landmark network says about itself: `pipeline.card`.

    The runtime assumes nothing that the card does not say. Raises ValueError for an unknown
    scheme, and for invalid names and numbers.

    Examples:
        >>> import fkd_infer
        >>> card = fkd_infer.load("fkdnet").card
        >>> card.name, card.input.size, card.input.channels, card.output.score
        ('fkdnet', 128, 1, True)
        >>> card.landmarks.count, card.landmarks.outer_eye_corners
        (68, (36, 45))
    """

    name: str
    """The network's name."""
    architecture: str
    """What it is built of, in words."""
    scheme: str | LandmarkScheme
    """The name of a built-in scheme of points, or another scheme in full; `landmarks` is either."""
    input: InputSpec
    """The network's input: `size` of the square crop in pixels, `channels`, `dtype`, `layout`."""
    crop: CropRule
    """Leads from the tight box of the points to the crop."""
    precision: str
    """What it computes in, in words."""
    opset: int
    """The operator set of ONNX."""
    training: Training
    """Where the weights come from: recipe, data, split, epochs, seed, sha256 of the weights."""
    licence: str
    """What the network may be used for."""
    output: OutputSpec = OutputSpec()
    """The network's outputs: the points, and whether there are a `score` and a `spread`."""
    accuracy: dict[str, LandmarkAccuracy] = field(default_factory=dict)
    """Errors by protocol: `nme` and `failure_rate_10` in percent, and the `count` of faces."""
    box_rules: dict[str, BoxRule] = field(default_factory=dict)
    """Lead from the boxes of detectors, by name, to the scheme's points; ibug68 needs none."""
    parity: Parity | None = None
    """How far the file's outputs are from those of its checkpoint."""
    exporter: dict[str, str] = field(default_factory=dict)
    """Versions of the packages that wrote the file."""
    platform: Platform = "any"
    """The CPUs that an int8 network is made for."""
    convention: str | None = None
    """The data set whose annotators the points agree with."""
    conventions: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """How other annotators place each point: offsets (n, 2) by data set, as shares of the crop's
    side."""
    runs_in: dict[str, RuntimeParity] = field(default_factory=dict)
    """Runtimes whose outputs equal ONNX Runtime's, by name."""
    version: int = VERSION
    """The version of the card's format."""

    def __post_init__(self) -> None:
        find_scheme(self.scheme)
        check_names(self.name, self.architecture, self.precision, *self.box_rules, *self.accuracy)
        check_names(*self.conventions, *([] if self.convention is None else [self.convention]))
        for name, offsets in self.conventions.items():
            if len(offsets) != self.landmarks.count:
                raise ValueError(f"conventions.{name} has {len(offsets)} points")
        check_rule("crop", self.crop)
        check_runs_in(self.runs_in)
        for name, rule in self.box_rules.items():
            check_rule(f"box_rules.{name}", rule)

    @property
    def needs_dot_products(self) -> bool:
        """Whether it is for CPUs that multiply bytes exactly; others return wrong points."""
        return self.platform == "vnni"

    @property
    def landmarks(self) -> LandmarkScheme:
        """The scheme of the points: `count`, `groups`, `mirror_pairs`, `outer_eye_corners`."""
        return find_scheme(self.scheme)
