"""How fkd-infer finds faces in frames of photos, and in those of moving pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fkd_infer.boxes import BoxesFile
from fkd_infer.crop import POINTS_BOX, BoxRule
from fkd_infer.detect import Detector
from fkd_infer.media import Kind
from fkd_infer.pipeline import Pipeline, Searched
from fkd_infer.types import Face, Frame


@dataclass(frozen=True)
class Finder:
    """Finds the faces of frames: with one detector on photos and another on moving pictures, or
    at boxes from a file, which are drawn as `boxes_rule` says."""

    pipeline: Pipeline
    moving: Detector
    boxes: BoxesFile | None = None
    boxes_rule: BoxRule = POINTS_BOX

    def __call__(self, frame: Frame, kind: Kind) -> list[Face]:
        """All faces of one frame."""
        return self.faces([self.search(frame, kind)])[0]

    def search(self, frame: Frame, kind: Kind) -> Searched:
        """The boxes of one frame."""
        if self.boxes is not None:
            return Searched(frame.image, self.boxes.find(frame), self.boxes_rule, final=True)
        detector = self.pipeline.detector if kind == "image" else self.moving
        return self.pipeline.search(frame.image, detector)

    def faces(self, searched: Sequence[Searched]) -> list[list[Face]]:
        """The faces of several frames."""
        return self.pipeline.faces(searched)
