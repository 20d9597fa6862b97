"""Measures the time of a pipeline's stages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkd_infer.system.chrome_trace import FrameId, Trace


@dataclass
class Stopwatch:
    """Adds up wall-clock seconds by stage, over all threads.

    While there is a `trace`, each stage is also recorded there as a span.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    trace: Trace | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _thread: threading.local = field(default_factory=threading.local, repr=False)

    def __call__(self, stage: str) -> _Measurement:
        """Measures a block as part of a stage."""
        return _Measurement(self, stage)

    def add(self, stage: str, started: int, ended: int) -> None:
        """Adds a block, in nanoseconds of `time.perf_counter_ns`, to a stage."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + (ended - started) / 1e9
        trace = self.trace  # read once, since another thread may reset it
        if trace is not None:
            trace.add(stage, started, ended, getattr(self._thread, "frames", ()))

    def include(self, seconds: Mapping[str, float]) -> None:
        """Adds the seconds of stages in another process."""
        with self._lock:
            for stage, more in seconds.items():
                self.seconds[stage] = self.seconds.get(stage, 0.0) + more

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """The seconds that were added to what `seconds` was before."""
        with self._lock:
            return {stage: s - before.get(stage, 0.0) for stage, s in self.seconds.items()}

    @contextmanager
    def for_frames(self, frames: Sequence[FrameId]) -> Iterator[None]:
        """Assigns the stages that this thread measures in the block to frames."""
        self._thread.frames = tuple(frames)
        try:
            yield
        finally:
            self._thread.frames = ()


class _Measurement:
    """Measures a block: a class, since generators take twice the time of such a short block."""

    __slots__ = ("_stage", "_started", "_stopwatch")

    def __init__(self, stopwatch: Stopwatch, stage: str) -> None:
        self._stopwatch, self._stage = stopwatch, stage

    def __enter__(self) -> None:
        self._started = time.perf_counter_ns()

    def __exit__(self, *error: object) -> None:
        self._stopwatch.add(self._stage, self._started, time.perf_counter_ns())
