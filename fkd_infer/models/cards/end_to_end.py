"""The card of an end-to-end file, which finds faces and places their points in one graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fkd_infer.choices import MAX_BATCH, MAX_FACES, MAX_IMAGE_SIDE, MIN_IMAGE_SIDE
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
    image, best first: `boxes` (n, 4), `scores` (n,) of the detector, `points` (n, k, 2), and, if
    the landmark network has them, `presence` (n,) and `spread` (n, k). It returns faces with a
    score of `min_score` and a presence of `min_presence` or more; with `refine`, points are placed
    twice.

    With `image_size`, the image has this height and width, and there are always `max_faces` rows:
    those with a score of 0 are no faces, wherever they stand. With a `batch`, the input (b, H, W,
    3) has so many images of this size, or any number if it is "dynamic", and all outputs have a
    first axis of images. `runs_in` are runtimes whose outputs equal ONNX Runtime's, by name.
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
    image_size: tuple[int, int] | None = None
    max_faces: int | None = None
    batch: int | Literal["dynamic"] | None = None
    runs_in: dict[str, RuntimeParity] = field(default_factory=dict)
    task: Literal["end-to-end"] = "end-to-end"
    version: int = VERSION

    def __post_init__(self) -> None:
        check_share("min_score", self.min_score)
        check_share("min_presence", self.min_presence)
        check_names(self.name)
        if (self.image_size is None) != (self.max_faces is None):
            raise ValueError("image_size and max_faces are stated together, or not at all")
        for side in self.image_size or ():
            if not MIN_IMAGE_SIDE <= side <= MAX_IMAGE_SIDE:
                allowed = f"{MIN_IMAGE_SIDE} to {MAX_IMAGE_SIDE} pixels"
                raise ValueError(f"image_size is {self.image_size}, but must be from {allowed}")
        if not 1 <= (self.max_faces or 1) <= MAX_FACES:
            raise ValueError(f"max_faces is {self.max_faces}, but must be from 1 to {MAX_FACES}")
        if self.batch is not None and self.image_size is None:
            raise ValueError("batch is stated, but no image_size")
        if isinstance(self.batch, int) and not 1 <= self.batch <= MAX_BATCH:
            raise ValueError(f"batch is {self.batch}, but must be from 1 to {MAX_BATCH}")
        check_runs_in(self.runs_in)
