"""Time per stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fkd_infer.system.chrome_trace import FrameId, Trace


@dataclass
class Stopwatch:
    """Adds up wall-clock seconds under names, those of several threads together.

    While it has a `trace`, every stage also becomes a span there.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    trace: Trace | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _own: threading.local = field(default_factory=threading.local, repr=False)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Times a block as part of a stage."""
        started = time.perf_counter_ns()
        try:
            yield
        finally:
            ended = time.perf_counter_ns()
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + (ended - started) / 1e9
            trace = self.trace  # once, since another thread may end it
            if trace is not None:
                trace.add(stage, started, ended, getattr(self._own, "subjects", ()))

    @contextmanager
    def for_frames(self, subjects: Sequence[FrameId]) -> Iterator[None]:
        """Says what this thread's stages of a block are about: (source, frame) of each image."""
        self._own.subjects = tuple(subjects)
        try:
            yield
        finally:
            self._own.subjects = ()
