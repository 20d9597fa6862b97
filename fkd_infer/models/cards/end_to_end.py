"""The card of an end-to-end file, which finds faces and places their points in one graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fkd_infer.models.cards.base import (
    VERSION,
    Card,
    RuntimeParity,
    check_names,
    check_runs_in,
    check_share,
)
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.landmark import ModelCard

TASK = "end-to-end"


@dataclass(frozen=True, slots=True)
class EndToEndParity:
    """Largest distance to the points of the pipeline, in pixels of the image, and on how many
    faces."""

    largest_px: float
    faces: int
    images: str


@dataclass(frozen=True, slots=True)
class EndToEndCard(Card):
    """The cards of an end-to-end file's two networks, and its thresholds.

    Its input `image` is a BGR image (H, W, 3) of any size, uint8. Its outputs, in pixels of the
    image, best first: `boxes` (n, 4), `scores` (n,) of the detector, `points` (n, k, 2), and
    `presence` (n,) if the landmark network has a score. It returns faces with a score of
    `min_score` and a presence of `min_presence` or more; with `refine`, points are placed twice.
    `runs_in` are runtimes whose outputs equal ONNX Runtime's, by name.
    Raises ValueError for invalid names and numbers.
    """

    expected_task: ClassVar[str | None] = TASK

    name: str
    landmarks: ModelCard
    detector: DetectorCard
    min_score: float
    min_presence: float
    refine: Literal[True] = True
    parity: EndToEndParity | None = None
    runs_in: dict[str, RuntimeParity] = field(default_factory=dict)
    task: Literal["end-to-end"] = "end-to-end"
    version: int = VERSION

    def __post_init__(self) -> None:
        check_share("min_score", self.min_score)
        check_share("min_presence", self.min_presence)
        check_names(self.name)
        check_runs_in(self.runs_in)
