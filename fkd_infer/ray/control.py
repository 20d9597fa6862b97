"""What all processes of a run share: whether it goes on, and who processes segments."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ray

_ASK_EVERY_S = 1.0


class RunControl:
    """Says whether the run goes on, and has the actors for segments, if videos are cut: an actor,
    which ends with the driver, and these with it.

    `segments` holds a reference to SegmentWorkers, or nothing if videos are not cut. It is opened
    for the first video only, since its imports would delay the start of every run.
    """

    def __init__(self, segments: Sequence[Any]) -> None:
        self._stopping = False
        self._segments = segments
        self._workers: list[Any] = []

    def stop(self) -> None:
        """Lets all workers end after the picture in hand."""
        self._stopping = True

    def stopping(self) -> bool:
        """Whether the run is to end."""
        return self._stopping

    def segment_workers(self) -> list[Any]:
        """The actors for segments, which the first call starts; none if videos are not cut."""
        if self._segments and not self._workers:
            self._workers = ray.get(self._segments[0]).start()
        return self._workers


class Stopping:
    """Whether to begin nothing more: asks the run's control at most once a second."""

    def __init__(self, control: Any) -> None:
        self._control = control
        self._answer, self._asked = False, -_ASK_EVERY_S

    def __call__(self) -> bool:
        """The last answer."""
        now = time.monotonic()
        if not self._answer and now - self._asked >= _ASK_EVERY_S:
            self._answer, self._asked = not self.driver_lives() or self._stopping, now
        return self._answer

    def driver_lives(self) -> bool:
        """Asks now whether the run's driver is there."""
        try:
            self._stopping: bool = ray.get(self._control.stopping.remote())
        except ray.exceptions.RayError:
            return False
        return True
