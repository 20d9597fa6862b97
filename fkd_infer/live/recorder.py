"""Records what the live page shows to MP4 files in a temporary folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

from fkd_infer.errors import FkdError, LiveError
from fkd_infer.live.view import DrawnFrame
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Frame

MAX_RECORDED_S = 600.0
"""Seconds after which a recording ends by itself."""
MAX_RECORDED_SIDE = 1920
"""Longer side of recorded pictures, in pixels, at most."""
_WAITING_FRAMES = 8
"""Frames that wait for the encoder; others are left out."""
_END_S = 0.04
"""Duration of the frame that ends a recording."""
_CLOSE_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class RecordingState:
    """`seconds` of the recording that runs; `number` of the newest complete one, from 1, or 0.

    `problem` is why the last recording failed; empty if it did not.
    """

    active: bool = False
    seconds: float = 0.0
    number: int = 0
    problem: str = ""


class Recorder(Scoped):
    """Makes one recording at a time, and keeps the newest two until the end of a `with` block.

    A frame's time in the file is the time at which it was drawn. A recording also ends where
    pictures change their size, because a video has one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._recording: _Recording | None = None
        self._file: Path | None = None
        self._number = 0
        self._problem = ""

    def _scope(self) -> Iterator[None]:
        with TemporaryDirectory(prefix="fkd-live-", ignore_cleanup_errors=True) as folder:
            self._folder = Path(folder)
            try:
                yield
            finally:
                recording = self._recording
                self.stop()
                if recording is not None:
                    recording.thread.join(_CLOSE_TIMEOUT_S)

    @property
    def state(self) -> RecordingState:
        """What is recorded now, and what has been."""
        with self._lock:
            active = self._recording is not None and self._recording.active
            seconds = self._clock() - self._recording.start if active and self._recording else 0.0
            return RecordingState(active, seconds, self._number, self._problem)

    @property
    def file(self) -> Path | None:
        """The newest complete recording; None before the first one."""
        return self._file

    def start(self, shown: DrawnFrame) -> None:
        """Starts a recording with the frame that is shown, unless one is running.

        Raises LiveError while the last one is still being written.
        """
        with self._lock:
            if self._recording is not None:
                if self._recording.active:
                    return
                raise LiveError("", "the last recording is still being written", "try again soon")
            self._problem = ""
            recording = _Recording(self._path(self._number + 1), shown, self._clock(), self._finish)
            try:
                recording.thread.start()
            except RuntimeError as error:  # no memory for another thread
                raise LiveError.of_fault("starting threads", error) from error
            self._recording = recording

    def add(self, drawn: DrawnFrame) -> None:
        """Records a frame, if there is a recording; does not wait for its encoder."""
        recording = self._recording
        if recording is not None:
            recording.add(drawn, self._clock())

    def stop(self) -> None:
        """Ends the recording, whose file is complete a little later."""
        recording = self._recording
        if recording is not None:
            recording.stop(self._clock())

    def _finish(self, recording: _Recording, problem: str) -> None:
        """Makes a recording that has ended the newest, or notes why it failed."""
        with self._lock:
            self._recording = None
            if problem:
                self._problem = f"The recording failed: {problem}"
                return
            self._file = recording.path
            self._number += 1
        # The one before it may be on its way to a viewer.
        with suppress(PermissionError):  # so may an older one, and Windows keeps open files
            self._path(self._number - 2).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"recording-{number}.mp4"


class _Recording:
    """A recording that runs, and the thread that encodes it."""

    def __init__(
        self,
        path: Path,
        shown: DrawnFrame,
        start: float,
        finish: Callable[[_Recording, str], object],
    ) -> None:
        self.path, self.start = path, start
        self.active = True
        self.thread = threading.Thread(target=self._run, name="live recorder", daemon=True)
        self._finish = finish
        self._last, self._last_s = shown, 0.0
        self._frames: Queue[tuple[DrawnFrame, float] | None] = Queue()
        self._frames.put((shown, 0.0))

    def add(self, drawn: DrawnFrame, now: float) -> None:
        if not self.active:
            return
        if now - self.start > MAX_RECORDED_S or drawn.image.shape != self._last.image.shape:
            self.stop(now)
        elif self._frames.qsize() < _WAITING_FRAMES:
            self._last, self._last_s = drawn, now - self.start
            self._frames.put((drawn, self._last_s))

    def stop(self, now: float) -> None:
        """Ends the recording with its last picture, which may have been shown in a pause."""
        self.active = False
        end_s = now - self.start
        if end_s - self._last_s > _END_S:  # or the last frame would last as long again as it has
            self._frames.put((self._last, end_s - _END_S))
        self._frames.put((self._last, end_s))
        self._frames.put(None)

    def _run(self) -> None:
        problem = ""
        try:
            self._encode()
        except FkdError as error:
            problem = error.without_subject
        except Exception as error:  # noqa: BLE001 (shown on the page)
            problem = str(LiveError.of_fault("encoding", error))
        self.active = False
        self._finish(self, problem)

    def _encode(self) -> None:
        with VideoSink(self.path, None) as video:
            for index, (drawn, seconds) in enumerate(iter(self._frames.get, None)):
                image = drawn.scaled_to(MAX_RECORDED_SIDE)
                video.write(Frame(image, "recording", index, Fraction(round(1000 * seconds), 1000)))
