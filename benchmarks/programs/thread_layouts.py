"""Compares ways to share the cores among photos, the network and OpenCV.

`python -m benchmarks.programs.thread_layouts FOLDER` times each layout on the same photos, in its
own process and in short blocks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.loading import load
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import Contender, serve, time_interleaved
from fkd_infer.types import Prediction

PHOTOS = 12


@dataclass(frozen=True)
class ThreadLayout:
    """Photos at once, the kind of session (a key of _SESSIONS), and threads per library."""

    photos: int
    sessions: str
    network_threads: int
    opencv_threads: int


class LockedSession(LandmarkSession):
    """One session, called by one thread at a time."""

    def run(self, crops: Pixels) -> Prediction:
        """Waits until no other thread calls it."""
        with _LOCK:
            return super().run(crops)


class SessionPerThread(LandmarkSession):
    """A session for each calling thread."""

    def run(self, crops: Pixels) -> Prediction:
        """Opens the thread's session at its first call."""
        if _OWN.session is None:
            _OWN.session = LandmarkSession(self.path, "cpu", self.settings)
        return _OWN.session.run(crops)


class _PerThread(threading.local):
    session: LandmarkSession | None = None


_LOCK, _OWN = threading.Lock(), _PerThread()
_SESSIONS = {"one": LandmarkSession, "locked": LockedSession, "each": SessionPerThread}


def thread_layouts(cores: int) -> dict[str, ThreadLayout]:
    """The layouts to compare, by name."""
    return {
        "one photo after the other, all threads": ThreadLayout(1, "one", cores, cores),
        "one session, 1 thread, called at once": ThreadLayout(cores, "one", 1, 1),
        "a session each, 1 thread": ThreadLayout(cores, "each", 1, 1),
        "one session, all threads, in turns": ThreadLayout(cores, "locked", cores, 1),
        "one session, all threads, called at once": ThreadLayout(cores, "one", cores, 1),
        "as the second, OpenCV with all threads": ThreadLayout(cores, "one", 1, cores),
    }


def open_layout(layout: ThreadLayout, folder: Path) -> Callable[[], object]:
    """A function that processes the photos of a folder, from pixels to points."""
    import cv2

    from fkd_infer.media.frames import frames_from
    from fkd_infer.media.sources import expand_sources

    cv2.setNumThreads(layout.opencv_threads)
    sources = expand_sources([str(folder)])
    images = [next(frames_from(source)).image for source in sources[:PHOTOS]]
    settings = SessionSettings(layout.network_threads)
    plain = load(provider="cpu", settings=settings)
    session = _SESSIONS[layout.sessions](plain.session.path, "cpu", settings)
    pipeline = Pipeline(session, plain.detector)
    if layout.photos == 1:
        return lambda: [pipeline(image) for image in images]
    return lambda: list(pipeline.many(images, layout.photos))


def main(folder: str, blocks: str = "5") -> None:
    """Prints photos per second of each layout: the median, and the range of the blocks."""
    layouts = thread_layouts(available_threads())
    contenders = [
        Contender(
            name,
            [sys.executable, "-m", "benchmarks.programs.thread_layouts", folder, "--serve", name],
        )
        for name in layouts
    ]
    for name, times in time_interleaved(contenders, int(blocks), seconds=2.0).items():
        rates = sorted(PHOTOS / median(block) for block in times)
        print(f"{median(rates):7.2f} photos/s ({rates[0]:.2f}–{rates[-1]:.2f})  {name}")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(open_layout(thread_layouts(available_threads())[sys.argv[3]], Path(sys.argv[1])))
    else:
        main(*sys.argv[1:])
