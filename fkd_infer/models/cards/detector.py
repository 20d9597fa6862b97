"""The card of a face detector: all that the runtime needs to know, in its ONNX file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.models.cards.base import (
    VERSION,
    Card,
    RuntimeParity,
    Training,
    check_names,
    check_rule,
    check_runs_in,
    check_share,
)

TASK = "detector"
_LARGEST = 300.0
"""Of files that do not state it: what the first exported networks find."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The network's input `image`: one BGR image (H, W, 3) of any size."""

    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["HWC"] = "HWC"


@dataclass(frozen=True, slots=True)
class DetectorAccuracy:
    """Recall on `count` faces, in percent, and false boxes per image, at scores from `threshold`
    on; and the average precision, in percent."""

    recall: float
    false_per_image: float
    threshold: float
    average_precision: float
    count: int


@dataclass(frozen=True, slots=True)
class DetectorParity:
    """Largest differences between the exported file and its checkpoint on a number of boxes: of
    boxes and points in pixels of the image, and of scores."""

    largest_px: float
    largest_score: float
    boxes: int
    images: str


@dataclass(frozen=True, slots=True)
class DetectorCard(Card):
    """A detector's thresholds, its origin and its accuracy.

    Its outputs are `boxes` (n, 4), `scores` (n,), from `floor` on, and `points` (n, 5, 2), all in
    pixels of the image, best first, after non-maximum suppression: `overlap` is its IoU.
    `threshold` is the score from which a box counts as a face, `smallest` the smallest face, in
    pixels from brows to chin, that it finds reliably, and `largest` the largest; `box_rule` leads
    to the box of the 68 points. `runs_in` are runtimes whose outputs equal ONNX Runtime's, by name.
    Raises ValueError for invalid names and numbers.
    """

    expected_task: ClassVar[str | None] = TASK

    name: str
    architecture: str
    threshold: float
    floor: float
    overlap: float
    smallest: float
    precision: str
    opset: int
    training: Training
    licence: str
    input: ImageSpec = ImageSpec()
    box_rule: BoxRule = POINTS_BOX
    accuracy: dict[str, DetectorAccuracy] = field(default_factory=dict)
    parity: DetectorParity | None = None
    exporter: dict[str, str] = field(default_factory=dict)
    largest: float = _LARGEST
    runs_in: dict[str, RuntimeParity] = field(default_factory=dict)
    task: Literal["detector"] = "detector"
    version: int = VERSION

    def __post_init__(self) -> None:
        check_share("threshold", self.threshold)
        check_share("floor", self.floor)
        check_share("overlap", self.overlap)
        if not 1 <= self.smallest <= 1000:
            raise ValueError(f"smallest is {self.smallest}, but must be from 1 to 1000 pixels")
        if not self.smallest < self.largest <= 100_000:
            raise ValueError(f"largest is {self.largest}, but must be above smallest, in pixels")
        check_names(self.name, self.architecture, self.precision, *self.accuracy)
        check_rule("box_rule", self.box_rule)
        check_runs_in(self.runs_in)
