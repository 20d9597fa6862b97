"""A moving source as it runs: read, tracked and drawn in threads of their own, newest frame only.

Each thread takes what is newest and leaves out the rest, so a slow network lowers the frame rate
and never adds delay. Whoever watches does the same.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import cv2
import numpy as np

from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DrawLayer, Smoothing
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.errors import FkdError, LiveError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.types import Face, Frame

T = TypeVar("T")

MAX_VIEW_SIDE = 1280
"""Longer side, in pixels, that a picture to be watched has at most."""
_QUALITY = 80
_LATE = 0.5
"""Seconds behind a file's own time after which its clock is set back instead of rushing on."""
_ONE_STEP = Fraction(1, 25)
"""How long the only frame of a video is shown."""
_WINDOW = 2.0
"""Seconds over which the frame rate is counted."""
_PULSE = 1.0
"""Seconds after which a thread that waits looks whether the one it waits for still runs."""
_ENDING = 20.0
"""Seconds in which a source ends what it reads: cameras and streams give up earlier."""
_RECENT = 30
"""Calls whose median is the time of the network."""


class FrameTracker(Protocol):
    """Finds faces in frame after frame, as a Tracker does."""

    smoothing: Smoothing

    def __call__(self, frame: Frame) -> list[Face]:
        """The faces of the next frame."""

    def reset(self) -> None:
        """Forgets the faces: the next frame does not follow the last."""


class Effect(Protocol):
    """Draws something on faces, as a Filter does."""

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws into a BGR image itself."""


@dataclass(frozen=True)
class ViewSettings:
    """What is drawn, and how steady: what viewers may change while it runs."""

    filters: tuple[str, ...] = ()
    smoothing: Smoothing = "off"
    layers: tuple[DrawLayer, ...] = DEFAULT_DRAW_LAYERS


@dataclass(frozen=True)
class Stats:
    """How it runs; `ms` is the median of finding faces in a frame, of the last 30 frames."""

    fps: float
    ms: float
    faces: int
    frames: int
    dropped: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A drawn frame; `number` counts those of the run, from 1."""

    image: Pixels
    number: int
    faces: int

    def jpeg(self) -> bytes:
        """The picture to be watched: MAX_VIEW_SIDE at most."""
        height, width = self.image.shape[:2]
        scale = MAX_VIEW_SIDE / max(height, width)
        image = self.image
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])

    def png(self) -> bytes:
        """The picture as it is, at its full size."""
        return _encoded(".png", self.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


class Latest(Generic[T]):
    """Holds one value, the newest; whoever takes it waits until there is one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._closed = False
        self.dropped = 0

    def put(self, value: T) -> None:
        """Puts a value in the place of one that nobody took."""
        with self._changed:
            self.dropped += self._value is not None
            self._value = value
            self._changed.notify()

    def take(self, more: Callable[[], bool]) -> T | None:
        """The newest value that was not taken yet; None where there is none and it is closed, or
        where `more`, which is asked now and then, says that none will come."""
        with self._changed:
            while self._value is None and not self._closed and more():
                self._changed.wait(_PULSE)
            value, self._value = self._value, None
            return value

    def close(self) -> None:
        """Ends the waiting."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class LiveRunner:
    """A source that runs from `with` to the end of its block, in two threads.

    `look` may be replaced at any time. `on_frame` is called after each frame, and `on_end` once
    where the source ends or fails, both in a thread of this class; `check` raises what failed.
    A source that answers nothing any more holds up the end of the block for 20 s at most.
    """

    def __init__(
        self,
        frames: Callable[[], Iterator[Frame]],
        follow: FrameTracker,
        scheme: LandmarkScheme,
        effects: Mapping[str, Effect],
        look: ViewSettings,
        paced: bool = False,
    ) -> None:
        self.settings = look
        self.newest: DrawnFrame | None = None
        self.on_frame: Callable[[], object] = _nothing
        self.on_end: Callable[[], object] = _nothing
        self._frames, self._follow, self._scheme = frames, follow, scheme
        self._effects = effects
        self._paced = paced
        self._read: Latest[Frame] = Latest()
        self._stop, self._ready = threading.Event(), threading.Event()
        self._failure: FkdError | None = None
        self._meter = _Meter()
        self._reader = self._thread("reader", self._reading)
        self._drawer = self._thread("drawer", self._drawing)

    def __enter__(self) -> Self:
        try:
            self._reader.start()
            self._drawer.start()
        except RuntimeError as error:  # no memory, or no leave, for one more thread
            self._finish()
            raise LiveError.of_fault("starting threads", error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish()

    def wait(self) -> None:
        """Waits for the first frame to be drawn; raises what kept it from that."""
        while not self._ready.wait(_PULSE) and self._drawer.is_alive():
            pass
        self.check()

    def check(self) -> None:
        """Raises what the source or the drawing failed by, where it did."""
        if self._failure is not None:
            raise self._failure

    def stats(self) -> Stats:
        """How it runs now."""
        shown = self.newest
        height, width = (0, 0) if shown is None else shown.image.shape[:2]
        return Stats(
            fps=self._meter.rate(time.monotonic()),
            ms=self._meter.milliseconds(),
            faces=0 if shown is None else shown.faces,
            frames=0 if shown is None else shown.number,
            dropped=self._read.dropped,
            width=width,
            height=height,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more is drawn."""
        return self._stop.is_set()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Not one that keeps the program from ending: the source may answer nothing any more."""
        return threading.Thread(
            target=self._guarded, args=(work,), name=f"live {name}", daemon=True
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        """Does a thread's work. What was read is drawn before all ends with the drawer."""
        try:
            work()
        except FkdError as error:  # raised by `check` in the calling thread, as the next
            self._failure = self._failure or error
        except BaseException as error:  # noqa: BLE001
            what = "reading the source" if work == self._reading else "finding or drawing faces"
            failed = LiveError.of_fault(what, error)
            failed.__cause__ = error
            self._failure = self._failure or failed
        self._read.close()
        if work == self._drawing and not self.ended:
            self._end()
            self.on_end()

    def _finish(self) -> None:
        self._end()
        for thread in (self._reader, self._drawer):
            if thread.ident is not None:
                thread.join(_ENDING)

    def _end(self) -> None:
        self._stop.set()
        self._read.close()
        self._ready.set()

    def _reading(self) -> None:
        clock, count = _Clock(), 0
        while not self._stop.is_set():
            before = count
            with closing(_closable(self._frames())) as frames:
                for frame in frames:
                    wait = clock.wait(frame.time, time.monotonic()) if self._paced else 0
                    if self._stop.wait(wait) if wait > 0 else self._stop.is_set():
                        return
                    self._read.put(frame)
                    count += 1
            if count == before:
                raise LiveError("", "the source gave no frame", "does it play elsewhere?")
            if not self._paced:
                return
            clock.again()

    def _drawing(self) -> None:
        last, number = -1, 0
        while (frame := self._read.take(self._reader.is_alive)) is not None:
            if frame.index <= last:
                self._follow.reset()
            last, number = frame.index, number + 1
            self.newest = self._drawn(frame, number)
            self._meter.tick(time.monotonic())
            self._ready.set()
            self.on_frame()

    def _drawn(self, frame: Frame, number: int) -> DrawnFrame:
        look = self.settings
        if self._follow.smoothing != look.smoothing:
            self._follow.smoothing = look.smoothing
        started = time.perf_counter()
        faces = self._follow(frame)
        self._meter.took(time.perf_counter() - started)
        canvas = frame.image.copy()  # the follower may compare the frame with the next one
        for name in look.filters:
            self._effects[name].draw(canvas, faces)
        Annotator(self._scheme, look.layers).draw(canvas, faces)
        return DrawnFrame(canvas, number, len(faces))


class _Clock:
    """When frames of a file are due, round after round."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last, self._step = Fraction(0), _ONE_STEP

    def wait(self, shown: Fraction, now: float) -> float:
        """Seconds from now until a frame is due, negative where it is late."""
        if shown > self._last:
            self._step = shown - self._last
        self._last = shown
        if self._start is None or now - (self._start + float(shown)) > _LATE:
            self._start = now - float(shown)
        return self._start + float(shown) - now

    def again(self) -> None:
        """The file begins anew, after its last frame was shown as long as the one before it."""
        if self._start is not None:
            self._start += float(self._last + self._step)
        self._last = Fraction(0)


class _Meter:
    """Counts frames and times calls; one thread writes, any may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: deque[float] = deque()
        self._seconds: deque[float] = deque(maxlen=_RECENT)

    def tick(self, now: float) -> None:
        with self._lock:
            self._ticks.append(now)

    def took(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)

    def rate(self, now: float) -> float:
        """Frames per second of the last two seconds, 0 where nothing comes."""
        with self._lock:
            while self._ticks and self._ticks[0] < now - _WINDOW:
                self._ticks.popleft()
            if len(self._ticks) < 2:
                return 0.0
            return (len(self._ticks) - 1) / (self._ticks[-1] - self._ticks[0])

    def milliseconds(self) -> float:
        """The median, 0 before the first call."""
        with self._lock:
            return 1000 * statistics.median(self._seconds) if self._seconds else 0.0


def _closable(frames: Iterator[Frame]) -> Generator[Frame, None, None]:
    """The frames as a generator, whose end also ends theirs."""
    yield from frames


def _encoded(suffix: str, image: Pixels, options: list[int]) -> bytes:
    _, data = cv2.imencode(suffix, image, options)
    return data.tobytes()


def _nothing() -> None:
    """For nobody who listens."""
