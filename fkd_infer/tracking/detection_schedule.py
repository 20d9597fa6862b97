"""Decides when the detector searches a frame; between searches, faces are tracked."""

from __future__ import annotations

from fractions import Fraction

from fkd_infer.geometry.arrays import Floats
from fkd_infer.tracking.scene_change import Thumbnail

MIN_INTERVAL, MAX_INTERVAL = 2, 30
"""Frames from one search to the next: right after an event, and at most."""
MAX_SECONDS = 1
"""There is a search in every second of a video's own clock, counted from its 0. So trackers that
began at different frames soon search the same ones."""
MAX_INTERVAL_CHANGING = 20
"""Frames at most while the picture changes outside of tracked faces."""
MAX_INTERVAL_EMPTY = 3
"""Frames at most while no face is tracked."""
MIN_CHANGED_SHARE = 0.01
"""Share of the picture outside of tracked faces that counts as a change: about a small face."""


class DetectionSchedule:
    """Schedules searches: the first frame, the frame after a lost face, and every `every`-th frame.

    If `every` is None, the interval starts at MIN_INTERVAL frames and doubles with each search
    without an event, up to MAX_INTERVAL frames or MAX_SECONDS; changes of the picture and the
    absence of faces limit it further. Raises ValueError for less than one frame.
    """

    def __init__(self, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"detect_every is {every}, but it counts frames from 1 on")
        self._every = every
        self.reset()

    def reset(self, number: int = 0) -> None:
        """Starts anew, with the frame of this number in its video: a search is due."""
        self._number = number - 1
        self._interval = MIN_INTERVAL
        self._frames = 0
        self._event = False
        self._last_search: tuple[Fraction, Thumbnail] | None = None

    def report_event(self) -> None:
        """Records that a face was lost or detected: the next searches follow soon."""
        self._event = True

    def is_due(self, time: Fraction, thumbnail: Thumbnail, boxes: Floats) -> bool:
        """Whether to search the next frame, whose tracked faces have boxes (n, 4)."""
        self._frames += 1
        self._number += 1
        if self._last_search is None or self._event:
            return True
        if self._every is not None:
            return self._number % self._every == 0
        last_time, last_thumbnail = self._last_search
        limit = self._interval
        if not len(boxes):
            limit = min(limit, MAX_INTERVAL_EMPTY)
        elif thumbnail.changed_share(last_thumbnail, boxes) > MIN_CHANGED_SHARE:
            limit = min(limit, MAX_INTERVAL_CHANGING)
        return self._frames >= limit or time // MAX_SECONDS > last_time // MAX_SECONDS

    def report_search(self, time: Fraction, thumbnail: Thumbnail) -> None:
        """Records a search, after the events that it caused."""
        soon = self._event or self._last_search is None
        self._interval = MIN_INTERVAL if soon else min(2 * self._interval, MAX_INTERVAL)
        self._frames, self._event, self._last_search = 0, False, (time, thumbnail)

    def state(self) -> tuple[object, ...]:
        """All that later decisions depend on, for comparison; times and thumbnails as bytes."""
        last = self._last_search
        searched = None if last is None else (last[0], last[1].cells.tobytes())
        number = None if self._every is None else self._number
        return self._interval, self._frames, self._event, searched, number
