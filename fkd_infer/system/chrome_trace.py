"""Records when each thread ran what, in Chrome's trace-event format for ui.perfetto.dev.

There are two groups of tracks: the pipeline's stages, and the operators that ONNX Runtime ran.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FrameId = tuple[str, int]
"""A source's name, and the index of one of its frames."""
_CLOCKS = (time.perf_counter_ns, time.monotonic_ns, time.time_ns)
_PIPELINE, _OPERATORS = 1, 2
"""Groups of tracks: process ids in the format."""
_THREAD_OFFSET = 2**24
"""Added to thread ids of operators: some viewers join tracks of equal ids."""


class Span(NamedTuple):
    """A stage in a thread; times are nanoseconds of time.perf_counter_ns."""

    stage: str
    started: int
    ended: int
    thread: int
    frames: tuple[FrameId, ...]


@dataclass
class Trace:
    """The spans of all threads since its creation."""

    spans: list[Span] = field(default_factory=list)
    threads: dict[int, str] = field(default_factory=dict)
    _zeros: tuple[int, ...] = field(default_factory=lambda: _read_clocks())

    def add(self, stage: str, started: int, ended: int, frames: tuple[FrameId, ...]) -> None:
        """Adds a span of the calling thread."""
        thread = threading.get_native_id()
        self.threads[thread] = threading.current_thread().name
        self.spans.append(Span(stage, started, ended, thread, frames))

    def write(self, path: Path, profile: Path, profile_zero: int) -> None:
        """Writes the spans together with the events of ONNX Runtime's profile.

        Times in the profile count from `profile_zero`, in nanoseconds.
        """
        operators: list[dict[str, Any]] = json.loads(profile.read_text("utf-8"))
        events = [*self._stage_events(), *self._operator_events(operators, profile_zero)]
        with path.open("w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)

    def _stage_events(self) -> Iterator[dict[str, Any]]:
        yield _name_event(_PIPELINE, f"fkd (process {os.getpid()})")
        for thread, name in self.threads.items():
            yield _name_event(_PIPELINE, name, thread)
        for span in self.spans:
            yield {
                "ph": "X",
                "name": span.stage,
                "cat": "stage",
                "ts": (span.started - self._zeros[0]) / 1000,
                "dur": (span.ended - span.started) / 1000,
                "pid": _PIPELINE,
                "tid": span.thread,
                "args": _arguments(span.frames),
            }

    def _operator_events(
        self, operators: Sequence[dict[str, Any]], profile_zero: int
    ) -> Iterator[dict[str, Any]]:
        """Yields ONNX Runtime's complete events, with times and tracks of this trace."""
        yield _name_event(_OPERATORS, "ONNX Runtime")
        complete = [event for event in operators if event.get("ph") == "X"]
        for thread in dict.fromkeys(event["tid"] for event in complete):
            caller = self.threads.get(thread, str(thread))
            yield _name_event(_OPERATORS, f"operators, called by {caller}", thread + _THREAD_OFFSET)
        # ONNX Runtime's clock depends on the system: the one that is closest to this trace's zero.
        offset = min((profile_zero - zero for zero in self._zeros), key=abs) / 1000
        for event in complete:
            thread = event["tid"] + _THREAD_OFFSET
            yield {**event, "ts": event["ts"] + offset, "pid": _OPERATORS, "tid": thread}


def _read_clocks() -> tuple[int, ...]:
    """Reads all clocks at one moment: of several attempts, the quickest."""
    readings = [tuple(clock() for clock in (*_CLOCKS, _CLOCKS[0])) for _ in range(9)]
    return min(readings, key=lambda reading: reading[-1] - reading[0])[:-1]


def _name_event(process: int, name: str, thread: int | None = None) -> dict[str, Any]:
    """Returns the event that names a group of tracks, or a track."""
    kind = "process_name" if thread is None else "thread_name"
    return {"ph": "M", "name": kind, "pid": process, "tid": thread or 0, "args": {"name": name}}


def _arguments(frames: tuple[FrameId, ...]) -> dict[str, Any]:
    if len(frames) == 1:
        ((source, frame),) = frames
        return {"source": source, "frame": frame}
    images = [{"source": source, "frame": frame} for source, frame in frames]
    return {"images": images} if images else {}
