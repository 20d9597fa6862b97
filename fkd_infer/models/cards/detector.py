"""The card of a face detector: all that the runtime needs to know of it, inside its ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.models.cards.base import Training, card_text, check_names, check_rule, read_card

TASK = "detector"


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The network's input `image`: one BGR image (H, W, 3) of any size."""

    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["HWC"] = "HWC"


@dataclass(frozen=True, slots=True)
class DetectorAccuracy:
    """Share of `count` faces that were found, in percent, at so many false boxes an image, with
    scores from `threshold` on; and the average precision, in percent."""

    recall: float
    false_per_image: float
    threshold: float
    average_precision: float
    count: int


@dataclass(frozen=True, slots=True)
class DetectorParity:
    """Largest differences between the exported file and its checkpoint, of boxes and points in
    pixels of the image, and of scores, on so many boxes."""

    largest_px: float
    largest_score: float
    boxes: int
    images: str


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """What a detector wants, gives and is worth.

    Its outputs are `boxes` (n, 4), `scores` (n,), from `floor` on, and `points` (n, 5, 2), all in
    pixels of the image, best first, each face once: boxes with an IoU above `overlap` are of one.
    `threshold` is the score from which a box is taken for a face, `smallest` the face, in pixels
    from brows to chin, that it still finds well, `box_rule` leads to the box of the 68 points.
    Raises ValueError for numbers that mean nothing.
    """

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
    task: Literal["detector"] = "detector"
    version: int = 1

    def __post_init__(self) -> None:
        for name in ("threshold", "floor", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and has to be from 0 to 1")
        if not 1 <= self.smallest <= 1000:
            raise ValueError(f"smallest is {self.smallest}, and has to be from 1 to 1000 pixels")
        check_names(self.name, self.architecture, self.precision, *self.accuracy)
        check_rule("box_rule", self.box_rule)

    def to_json(self) -> str:
        """The text that from_metadata reads back."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str | Path) -> DetectorCard:
        """The card in an ONNX file's metadata; raises ModelCardError where there is none."""
        return read_card(cls, card_text(metadata, where), where, TASK)
