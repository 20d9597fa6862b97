"""Plays a camera, stream or video: one thread reads frames, another tracks and draws faces.

Each thread continues with the newest frame and drops the others, so a slow network lowers the
frame rate and never adds delay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from typing import Protocol, Self

from fkd_infer.choices import Smoothing
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Effect
from fkd_infer.errors import FkdError, LiveError
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.live.latest import Latest
from fkd_infer.live.pacing import FrameMeter, PlaybackClock
from fkd_infer.live.view import DrawnFrame, Stats, ViewSettings
from fkd_infer.types import Face, Frame

_CHECK_S = 1.0
"""Seconds between checks whether the drawing thread still runs."""
_CLOSE_TIMEOUT_S = 20.0
"""Seconds to wait for a source to close; cameras and streams time out earlier."""


class FrameTracker(Protocol):
    """Finds faces in consecutive frames, as a Tracker does."""

    smoothing: Smoothing

    def __call__(self, frame: Frame) -> list[Face]:
        """Finds the faces of the next frame."""

    def reset(self) -> None:
        """Forgets the faces, because the next frame does not follow the last."""


class LiveRunner(AbstractContextManager["LiveRunner"]):
    """Runs a source in two threads from the start of a `with` block to its end.

    `settings` may be replaced at any time. `on_frame` is called after each frame, and `on_end` once
    when the source ends or fails, both in the drawing thread. `check` raises the failure. The end
    of the block waits at most 20 s for a source that hangs.
    """

    def __init__(
        self,
        frames: Callable[[], Iterator[Frame]],
        tracker: FrameTracker,
        scheme: LandmarkScheme,
        filters: Mapping[str, Effect],
        settings: ViewSettings,
        paced: bool = False,
    ) -> None:
        self.settings = settings
        self.newest: DrawnFrame | None = None
        self.on_frame: Callable[[], object] = _do_nothing
        self.on_end: Callable[[], object] = _do_nothing
        self._frames, self._tracker, self._scheme = frames, tracker, scheme
        self._filters = filters
        self._paced = paced
        self._latest: Latest[Frame] = Latest()
        self._stop, self._ready = threading.Event(), threading.Event()
        self._failure: FkdError | None = None
        self._meter = FrameMeter()
        self._reader = self._thread("reader", self._read_frames)
        self._drawer = self._thread("drawer", self._draw_frames)

    def __enter__(self) -> Self:
        try:
            self._reader.start()
            self._drawer.start()
        except RuntimeError as error:  # no memory, or no permission, for another thread
            self._close()
            raise LiveError.of_fault("starting threads", error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def wait(self) -> None:
        """Waits until the first frame is drawn; raises the failure that prevents it."""
        while not self._ready.wait(_CHECK_S) and self._drawer.is_alive():
            pass
        self.check()

    def check(self) -> None:
        """Raises the error by which the source or the drawing failed."""
        if self._failure is not None:
            raise self._failure

    def stats(self) -> Stats:
        """The present figures."""
        drawn = self.newest
        height, width = (0, 0) if drawn is None else drawn.image.shape[:2]
        return Stats(
            fps=self._meter.rate(time.monotonic()),
            ms=self._meter.milliseconds(),
            faces=0 if drawn is None else drawn.faces,
            frames=0 if drawn is None else drawn.number,
            dropped=self._latest.dropped,
            width=width,
            height=height,
        )

    @property
    def ended(self) -> bool:
        """Whether no more frames will be drawn."""
        return self._stop.is_set()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """A daemon thread: a source that hangs must not keep the program from ending."""
        return threading.Thread(target=self._run, args=(work,), name=f"live {name}", daemon=True)

    def _run(self, work: Callable[[], None]) -> None:
        """Runs a thread's work and records its failure; the drawer ends last."""
        try:
            work()
        except FkdError as error:
            self._failure = self._failure or error
        except BaseException as error:  # noqa: BLE001 (raised by `check` in the calling thread)
            is_reader = work == self._read_frames
            task = "reading the source" if is_reader else "finding or drawing faces"
            failure = LiveError.of_fault(task, error)
            failure.__cause__ = error
            self._failure = self._failure or failure
        self._latest.close()
        if work == self._draw_frames and not self.ended:
            self._end()
            self.on_end()

    def _close(self) -> None:
        self._end()
        for thread in (self._reader, self._drawer):
            if thread.ident is not None:
                thread.join(_CLOSE_TIMEOUT_S)

    def _end(self) -> None:
        self._stop.set()
        self._latest.close()
        self._ready.set()

    def _read_frames(self) -> None:
        clock, count = PlaybackClock(), 0
        while not self._stop.is_set():
            before = count
            with closing(_as_generator(self._frames())) as frames:
                for frame in frames:
                    wait = clock.wait(frame.time, time.monotonic()) if self._paced else 0
                    if self._stop.wait(wait) if wait > 0 else self._stop.is_set():
                        return
                    self._latest.put(frame)
                    count += 1
            if count == before:
                raise LiveError("", "the source gave no frame", "does it play elsewhere?")
            if not self._paced:
                return
            clock.restart()

    def _draw_frames(self) -> None:
        last_index, number = -1, 0
        while (frame := self._latest.get(self._reader.is_alive)) is not None:
            if frame.index <= last_index:
                self._tracker.reset()
            last_index, number = frame.index, number + 1
            self.newest = self._draw(frame, number)
            self._meter.add_frame(time.monotonic())
            self._ready.set()
            self.on_frame()

    def _draw(self, frame: Frame, number: int) -> DrawnFrame:
        settings = self.settings
        if self._tracker.smoothing != settings.smoothing:
            self._tracker.smoothing = settings.smoothing
        started = time.perf_counter()
        faces = self._tracker(frame)
        self._meter.add_duration(time.perf_counter() - started)
        canvas = frame.image.copy()  # the tracker may compare the frame with the next one
        for name in settings.filters:
            self._filters[name].draw(canvas, faces)
        Annotator(self._scheme, settings.layers).draw(canvas, faces)
        return DrawnFrame(canvas, number, len(faces))


def _as_generator(frames: Iterator[Frame]) -> Generator[Frame, None, None]:
    """The frames as a generator, so that closing it also closes a generator within."""
    yield from frames


def _do_nothing() -> None:
    """The default callback."""
