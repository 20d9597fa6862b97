"""When the whole frame is searched for faces, where they are followed in between."""

from __future__ import annotations

from fractions import Fraction

from fkd_infer.geometry.arrays import Floats
from fkd_infer.tracking.scene_change import Glance

FIRST, LONGEST = 2, 30
"""Frames from one search to the next: after something happened, and at most."""
SECONDS = 1
"""And at most so long."""
BUSY = 20
"""Frames at most while the picture changes where nobody is followed."""
ALONE = 3
"""Frames at most while nobody is followed at all."""
PART = 0.01
"""Share of the picture's free part that has to differ from the last search's for it to count as
changed: no more than a small face."""


class Schedule:
    """Says when a search is due: at first, at once after a loss, and then every `every` frames.

    Where `every` is None, the distance grows from FIRST frames twofold with every search that
    brings nothing new, up to LONGEST frames or SECONDS; it is at most BUSY frames while the picture
    changes elsewhere than in followed faces, and ALONE while there are none.
    """

    def __init__(self, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"detect_every is {every}, but it counts frames from 1 on")
        self._every = every
        self.reset()

    def reset(self) -> None:
        """Begins anew: a search is due."""
        self._interval = FIRST
        self._frames = 0
        self._news = False
        self._last: tuple[Fraction, Glance] | None = None

    def news(self) -> None:
        """Takes note that a face was lost or found: a search is due, unless one is under way, and
        the next ones are soon."""
        self._news = True

    def due(self, time: Fraction, glance: Glance, boxes: Floats) -> bool:
        """Whether to search the next frame, in which there are boxes (n, 4) of followed faces."""
        self._frames += 1
        if self._last is None or self._news:
            return True
        if self._every is not None:
            return self._frames >= self._every
        last, seen = self._last
        limit = self._interval
        if not len(boxes):
            limit = min(limit, ALONE)
        elif glance.changed_since(seen, boxes) > PART:
            limit = min(limit, BUSY)
        return self._frames >= limit or time - last >= SECONDS

    def searched(self, time: Fraction, glance: Glance) -> None:
        """Takes note of a search, after what it brought."""
        soon = self._news or self._last is None
        self._interval = FIRST if soon else min(2 * self._interval, LONGEST)
        self._frames, self._news, self._last = 0, False, (time, glance)
