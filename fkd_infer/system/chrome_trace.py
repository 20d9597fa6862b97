"""What happened when, in each thread: Chrome's trace-event format, for ui.perfetto.dev.

Two rows of tracks: the pipeline's stages, and the operators that ONNX Runtime says it ran.
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
"""A source, and the index of one of its frames."""
_CLOCKS = (time.perf_counter_ns, time.monotonic_ns, time.time_ns)
_PIPELINE, _OPERATORS = 1, 2
"""Rows of tracks: the format calls them processes."""
_APART = 2**24
"""Added to operators' threads: viewers may take a number that comes twice for one thread."""


class Span(NamedTuple):
    """A stage in a thread, in nanoseconds of time.perf_counter_ns."""

    stage: str
    started: int
    ended: int
    thread: int
    subjects: tuple[FrameId, ...]


@dataclass
class Trace:
    """Spans of all threads, from its creation on."""

    spans: list[Span] = field(default_factory=list)
    threads: dict[int, str] = field(default_factory=dict)
    _zeros: tuple[int, ...] = field(default_factory=lambda: _all_clocks())

    def add(self, stage: str, started: int, ended: int, subjects: tuple[FrameId, ...]) -> None:
        """Takes a span of the calling thread."""
        thread = threading.get_native_id()
        self.threads[thread] = threading.current_thread().name
        self.spans.append(Span(stage, started, ended, thread, subjects))

    def write(self, path: Path, profile: Path, profile_zero: int) -> None:
        """Writes the spans, and the events of ONNX Runtime's profile, whose times count from
        `profile_zero` in nanoseconds."""
        operators: list[dict[str, Any]] = json.loads(profile.read_text())
        events = [*self._stages(), *self._operators(operators, profile_zero)]
        with path.open("w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)

    def _stages(self) -> Iterator[dict[str, Any]]:
        yield _named(_PIPELINE, f"fkd (process {os.getpid()})")
        for thread, name in self.threads.items():
            yield _named(_PIPELINE, name, thread)
        for span in self.spans:
            yield {
                "ph": "X",
                "name": span.stage,
                "cat": "stage",
                "ts": (span.started - self._zeros[0]) / 1000,
                "dur": (span.ended - span.started) / 1000,
                "pid": _PIPELINE,
                "tid": span.thread,
                "args": _arguments(span.subjects),
            }

    def _operators(
        self, operators: Sequence[dict[str, Any]], profile_zero: int
    ) -> Iterator[dict[str, Any]]:
        """ONNX Runtime's complete events, moved to this trace's zero and to tracks of their own."""
        yield _named(_OPERATORS, "ONNX Runtime")
        found = [event for event in operators if event.get("ph") == "X"]
        for thread in dict.fromkeys(event["tid"] for event in found):
            caller = self.threads.get(thread, str(thread))
            yield _named(_OPERATORS, f"operators, called by {caller}", thread + _APART)
        # Which clock it took depends on the system; only one of them says about the same.
        offset = min((profile_zero - zero for zero in self._zeros), key=abs) / 1000
        for event in found:
            moved = {"ts": event["ts"] + offset, "pid": _OPERATORS, "tid": event["tid"] + _APART}
            yield {**event, **moved}


def _all_clocks() -> tuple[int, ...]:
    """The clocks at one moment: of several readings the quickest, which nothing interrupted."""
    readings = [tuple(clock() for clock in (*_CLOCKS, _CLOCKS[0])) for _ in range(9)]
    return min(readings, key=lambda reading: reading[-1] - reading[0])[:-1]


def _named(process: int, name: str, thread: int | None = None) -> dict[str, Any]:
    """The event that names a row of tracks, or a track."""
    what = "process_name" if thread is None else "thread_name"
    return {"ph": "M", "name": what, "pid": process, "tid": thread or 0, "args": {"name": name}}


def _arguments(subjects: tuple[FrameId, ...]) -> dict[str, Any]:
    if len(subjects) == 1:
        ((source, frame),) = subjects
        return {"source": source, "frame": frame}
    images = [{"source": source, "frame": frame} for source, frame in subjects]
    return {"images": images} if images else {}
