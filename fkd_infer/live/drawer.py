"""Finds and draws the faces of frames that follow one another, with settings that change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from fkd_infer.choices import Smoothing
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Effect
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.live.pacing import FrameMeter
from fkd_infer.live.reader import ReadFrame
from fkd_infer.live.view import DrawnFrame, ViewSettings
from fkd_infer.types import Face, Frame


class FrameTracker(Protocol):
    """Finds faces in consecutive frames, as a Tracker does."""

    smoothing: Smoothing

    def __call__(self, frame: Frame) -> list[Face]:
        """Finds the faces of the next frame."""

    def reset(self) -> None:
        """Forgets the faces, because the next frame does not follow the last."""


class FrameDrawer:
    """Draws frames one after the other; `meter` measures how fast."""

    def __init__(
        self, tracker: FrameTracker, scheme: LandmarkScheme, filters: Mapping[str, Effect]
    ) -> None:
        self.meter = FrameMeter()
        self._tracker, self._scheme, self._filters = tracker, scheme, filters
        self._last: tuple[ReadFrame, bool] | None = None
        self._frame: Frame
        self._faces: list[Face] = []
        self._count = 0

    def draw(self, read: ReadFrame, settings: ViewSettings) -> DrawnFrame:
        """Draws a frame; one that is drawn again keeps its faces."""
        self._find_faces(read, settings)
        canvas = self._frame.image.copy()  # the tracker may compare the frame with the next one
        for name in settings.filters:
            self._filters[name].draw(canvas, self._faces)
        Annotator(self._scheme, settings.layers).draw(canvas, self._faces)
        self._count += 1
        self.meter.add_frame(time.monotonic())
        return DrawnFrame(canvas, self._count, len(self._faces))

    def _find_faces(self, read: ReadFrame, settings: ViewSettings) -> None:
        if self._last is not None:
            last, was_mirrored = self._last
            is_as_before = was_mirrored == settings.mirrored
            if last is read and is_as_before:
                return
            is_next = last.source == read.source and last.frame.index < read.frame.index
            if not (is_next and is_as_before):
                self._tracker.reset()
        self._last = (read, settings.mirrored)
        if self._tracker.smoothing != settings.smoothing:
            self._tracker.smoothing = settings.smoothing
        self._frame = _mirrored(read.frame) if settings.mirrored else read.frame
        started = time.perf_counter()
        self._faces = self._tracker(self._frame)
        self.meter.add_duration(time.perf_counter() - started)


def _mirrored(frame: Frame) -> Frame:
    """A frame as in a mirror. It is mirrored before anything is drawn, so text stays readable."""
    return replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
