"""When a file's frames are due, and how many frames per second are drawn."""

from __future__ import annotations

import statistics
import threading
from collections import deque
from fractions import Fraction

_MAX_DELAY_S = 0.5
"""Delay from which playback goes on from the present frame instead of catching up."""
_SINGLE_FRAME_S = Fraction(1, 25)
"""Duration of the only frame of a video."""
_RATE_WINDOW_S = 2.0
_MEDIAN_CALLS = 30


class PlaybackClock:
    """Paces a file that is played again and again; `now` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last, self._step = Fraction(0), _SINGLE_FRAME_S

    def wait(self, time: Fraction, now: float) -> float:
        """Seconds from now until the frame at this time of the file is due; negative if late."""
        if time > self._last:
            self._step = time - self._last
        self._last = time
        if self._start is None or now - (self._start + float(time)) > _MAX_DELAY_S:
            self._start = now - float(time)
        return self._start + float(time) - now

    def restart(self) -> None:
        """Starts the file again, once its last frame was shown as long as the one before it."""
        if self._start is not None:
            self._start += float(self._last + self._step)
        self._last = Fraction(0)


class FrameMeter:
    """Measures the frame rate and the time to find faces; one thread writes, any thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[float] = deque()
        self._seconds: deque[float] = deque(maxlen=_MEDIAN_CALLS)

    def add_frame(self, now: float) -> None:
        """Counts a frame that was drawn now."""
        with self._lock:
            self._frames.append(now)

    def add_duration(self, seconds: float) -> None:
        """Records how long finding the faces of a frame took."""
        with self._lock:
            self._seconds.append(seconds)

    def rate(self, now: float) -> float:
        """Frames per second over the last two seconds; 0 without frames."""
        with self._lock:
            while self._frames and self._frames[0] < now - _RATE_WINDOW_S:
                self._frames.popleft()
            if len(self._frames) < 2:
                return 0.0
            return (len(self._frames) - 1) / (self._frames[-1] - self._frames[0])

    def milliseconds(self) -> float:
        """The median duration of the last 30 frames; 0 before the first."""
        with self._lock:
            return 1000 * statistics.median(self._seconds) if self._seconds else 0.0
