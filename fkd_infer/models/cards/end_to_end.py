"""The card of a file that finds faces and places their points, all in one graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fkd_infer.models.cards.base import card_text, check_names, read_card
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.landmark import ModelCard

TASK = "end-to-end"


@dataclass(frozen=True, slots=True)
class EndToEndParity:
    """Largest distance of a point to the pipeline's, in pixels of the image, on so many faces."""

    largest_px: float
    faces: int
    images: str


@dataclass(frozen=True, slots=True)
class EndToEndCard:
    """What an end-to-end file is made of, and how it chooses.

    Its input `image` is a BGR image (H, W, 3) of any size, uint8. Its outputs, in pixels of the
    image, best first: `boxes` (n, 4), `scores` (n,), the detector's, `points` (n, k, 2), and
    `presence` (n,) where the landmark network has a score. Faces have a detector's score of
    `min_score` and a presence of `min_presence` or more; with `refine`, points are placed twice.
    Raises ValueError for numbers that mean nothing.
    """

    name: str
    landmarks: ModelCard
    detector: DetectorCard
    min_score: float
    min_presence: float
    refine: Literal[True] = True
    parity: EndToEndParity | None = None
    task: Literal["end-to-end"] = "end-to-end"
    version: int = 1

    def __post_init__(self) -> None:
        for name in ("min_score", "min_presence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, and has to be from 0 to 1")
        check_names(self.name)

    def to_json(self) -> str:
        """The text that from_metadata reads back."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str | Path) -> EndToEndCard:
        """The card in an ONNX file's metadata; raises ModelCardError where there is none."""
        return read_card(cls, card_text(metadata, where), where, TASK)
