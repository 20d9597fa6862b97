"""Finds the faces of a frame: with a detector, a tracker, or boxes from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fkd_infer.detection.boxes_file import BoxesFile
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.media.sources import SourceKind
from fkd_infer.pipeline import ImageDetections, Pipeline
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame, ReadSettings


@dataclass(frozen=True)
class FaceFinder:
    """Finds faces in photos with the pipeline's detector, and in videos with the tracker, if any.

    With `boxes`, it places points in these, which `boxes_rule` leads to boxes of the points.
    """

    pipeline: Pipeline
    tracker: Tracker | None = None
    boxes: BoxesFile | None = None
    boxes_rule: BoxRule = POINTS_BOX

    def __call__(self, frame: Frame, kind: SourceKind) -> list[Face]:
        """Finds the faces of one frame."""
        if kind != "image" and self.tracker is not None:
            return self.tracker(frame)
        return self.place_points([self.detect(frame)])[0]

    @property
    def summary(self) -> str:
        """A line about tracked faces; empty if no frame was tracked."""
        if self.tracker is None or not self.tracker.summary.frames:
            return ""
        return str(self.tracker.summary)

    @property
    def takes_gray(self) -> bool:
        """Whether gray frames are enough to find the faces of a video."""
        if self.tracker is None:
            return False
        return self.pipeline.card.input.channels == 1 and self.tracker.detector.traits.takes_gray

    @property
    def sees_colour(self) -> bool:
        """Whether the search of a video finds more in colour."""
        return self.tracker is not None and self.tracker.detector.traits.sees_colour

    def read_settings(self, reading: ReadSettings, drawn: bool) -> ReadSettings:
        """How the frames of a video are read for this, and perhaps to be drawn on."""
        stored = drawn or (self.takes_gray and self.sees_colour)
        return replace(reading, gray=self.takes_gray, stored=stored)

    def detect(self, frame: Frame) -> ImageDetections:
        """Detects the boxes of one frame."""
        if self.boxes is not None:
            return ImageDetections(frame.image, self.boxes.find(frame), self.boxes_rule, final=True)
        return self.pipeline.detect(frame.image, self.pipeline.detector)

    def place_points(self, detections: Sequence[ImageDetections]) -> list[list[Face]]:
        """Places the points of several frames in one batch."""
        return self.pipeline.place_points(detections)
