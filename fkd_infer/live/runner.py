"""Plays cameras, streams and videos: one thread reads frames, another tracks and draws faces.

Each thread continues with the newest frame and drops the others, so a slow network lowers the
frame rate and never adds delay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Self

from fkd_infer.drawing.overlay import Effect
from fkd_infer.errors import FkdError, LiveError
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.live.drawer import FrameDrawer, FrameTracker
from fkd_infer.live.latest import Latest
from fkd_infer.live.reader import ReadFrame, SourceReader
from fkd_infer.live.shared_settings import SharedSettings
from fkd_infer.live.source import LiveSource
from fkd_infer.live.view import DrawnFrame, Stats, ViewSettings

_CHECK_S = 1.0
"""Seconds between checks whether the drawing thread still runs."""
_CLOSE_TIMEOUT_S = 20.0
"""Seconds to wait for a source to close; cameras and streams time out earlier."""


class LiveRunner(AbstractContextManager["LiveRunner"]):
    """Runs one of `sources` in two threads from the start of a `with` block to its end.

    `settings` may be replaced at any time. All of `on_frame` are called with each drawn frame, and
    `on_end` once when the source ends or fails, in the drawing thread. `check` raises the failure.
    The end of the block waits at most 20 s for a source that hangs.
    """

    def __init__(
        self,
        sources: Sequence[LiveSource],
        tracker: FrameTracker,
        scheme: LandmarkScheme,
        filters: Mapping[str, Effect],
        settings: ViewSettings,
    ) -> None:
        self.newest: DrawnFrame | None = None
        self.on_frame: list[Callable[[DrawnFrame], object]] = []
        self.on_end: Callable[[], object] = _do_nothing
        self._settings = SharedSettings(settings)
        self._latest: Latest[ReadFrame] = Latest()
        self._stop, self._ready = threading.Event(), threading.Event()
        self._failure: FkdError | None = None
        self._source_reader = SourceReader(sources, self._settings, self._latest, self._stop)
        self._frame_drawer = FrameDrawer(tracker, scheme, filters)
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

    @property
    def settings(self) -> ViewSettings:
        """What is shown and how; it takes effect with the next frame."""
        return self._settings.value

    @settings.setter
    def settings(self, settings: ViewSettings) -> None:
        self._settings.replace(settings)

    @property
    def problem(self) -> str:
        """Why the source that was chosen last is not shown; empty if it is."""
        return self._source_reader.problem

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
        drawn, meter = self.newest, self._frame_drawer.meter
        height, width = (0, 0) if drawn is None else drawn.image.shape[:2]
        return Stats(
            fps=meter.rate(time.monotonic()),
            ms=meter.milliseconds(),
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
        self._source_reader.run()

    def _draw_frames(self) -> None:
        while (read := self._latest.get(self._reader.is_alive)) is not None:
            self.newest = self._frame_drawer.draw(read, self.settings)
            self._ready.set()
            for call in self.on_frame:
                call(self.newest)


def _do_nothing() -> None:
    """The default callback."""
