"""How fkd-infer finds faces in frames of photos, and in those of moving pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fkd_infer.detection.boxes_file import BoxesFile
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.media.sources import SourceKind
from fkd_infer.pipeline import ImageDetections, Pipeline
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame


@dataclass(frozen=True)
class FaceFinder:
    """Finds the faces of frames: those of photos with the pipeline's detector, those of moving
    pictures by following them, where there is a tracker; or at boxes from a file, which are drawn
    as `boxes_rule` says."""

    pipeline: Pipeline
    tracker: Tracker | None = None
    boxes: BoxesFile | None = None
    boxes_rule: BoxRule = POINTS_BOX

    def __call__(self, frame: Frame, kind: SourceKind) -> list[Face]:
        """All faces of one frame."""
        if kind != "image" and self.tracker is not None:
            return self.tracker(frame)
        return self.place_points([self.detect(frame)])[0]

    @property
    def summary(self) -> str:
        """What is to be told of following faces, after frames were; empty for nothing."""
        if self.tracker is None or not self.tracker.summary.frames:
            return ""
        return str(self.tracker.summary)

    @property
    def takes_gray(self) -> bool:
        """Whether gray frames are enough for finding the faces of moving pictures."""
        if self.tracker is None:
            return False
        return self.pipeline.card.input.channels == 1 and self.tracker.detector.traits.takes_gray

    def detect(self, frame: Frame) -> ImageDetections:
        """The boxes of one frame."""
        if self.boxes is not None:
            return ImageDetections(frame.image, self.boxes.find(frame), self.boxes_rule, final=True)
        return self.pipeline.detect(frame.image, self.pipeline.detector)

    def place_points(self, searched: Sequence[ImageDetections]) -> list[list[Face]]:
        """The faces of several frames."""
        return self.pipeline.place_points(searched)
