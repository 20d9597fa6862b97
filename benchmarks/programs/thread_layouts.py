"""How photos, the network and OpenCV had best share the cores:
`python -m benchmarks.programs.thread_layouts FOLDER`.

Each arrangement finds the faces of the same photos in a process of its own; they take turns.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.pipeline import Pipeline, load
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.interleaved import Contender, serve, time_interleaved
from fkd_infer.types import Prediction

PHOTOS = 12


@dataclass(frozen=True)
class Arrangement:
    """`photos` are searched at once; `sessions` "one", "turns" or "each"; and threads of both."""

    photos: int
    sessions: str
    network: int
    opencv: int


class Turns(LandmarkSession):
    """One session, called by one thread at a time."""

    def run(self, crops: Pixels) -> Prediction:
        """Waits for its turn."""
        with _TURN:
            return super().run(crops)


class Each(LandmarkSession):
    """A session for each thread that calls."""

    def run(self, crops: Pixels) -> Prediction:
        """Opens the thread's own at its first call."""
        own: LandmarkSession | None = getattr(_OWN, "session", None)
        if own is None:
            own = _OWN.session = LandmarkSession(self.path, "cpu", self.settings)
        return own.run(crops)


_TURN, _OWN = threading.Lock(), threading.local()
_KINDS = {"one": LandmarkSession, "turns": Turns, "each": Each}


def arrangements(cores: int) -> dict[str, Arrangement]:
    """What is compared, by name."""
    return {
        "one photo after the other, all threads": Arrangement(1, "one", cores, cores),
        "one session, 1 thread, called at once": Arrangement(cores, "one", 1, 1),
        "a session each, 1 thread": Arrangement(cores, "each", 1, 1),
        "one session, all threads, in turns": Arrangement(cores, "turns", cores, 1),
        "one session, all threads, called at once": Arrangement(cores, "one", cores, 1),
        "as the second, OpenCV with all threads": Arrangement(cores, "one", 1, cores),
    }


def passes(arrangement: Arrangement, folder: Path) -> Callable[[], object]:
    """A pass over the photos of a folder, from pixels to points."""
    import cv2

    from fkd_infer.media.frames import frames_from
    from fkd_infer.media.sources import expand_sources

    cv2.setNumThreads(arrangement.opencv)
    sources = expand_sources([str(folder)])
    images = [next(frames_from(source)).image for source in sources[:PHOTOS]]
    settings = SessionSettings(arrangement.network)
    plain = load(provider="cpu", settings=settings)
    session = _KINDS[arrangement.sessions](plain.session.path, "cpu", settings)
    pipeline = Pipeline(session, plain.detector)
    if arrangement.photos == 1:
        return lambda: [pipeline(image) for image in images]
    return lambda: list(pipeline.many(images, arrangement.photos))


def main(folder: str, blocks: str = "5") -> None:
    """Prints photos per second of each arrangement: the median, and the blocks' extremes."""
    found = arrangements(available_threads())
    contenders = [
        Contender(
            name,
            [sys.executable, "-m", "benchmarks.programs.thread_layouts", folder, "--serve", name],
        )
        for name in found
    ]
    for name, turns in time_interleaved(contenders, int(blocks), seconds=2.0).items():
        rates = sorted(PHOTOS / median(turn) for turn in turns)
        print(f"{median(rates):7.2f} photos/s ({rates[0]:.2f}–{rates[-1]:.2f})  {name}")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(passes(arrangements(available_threads())[sys.argv[3]], Path(sys.argv[1])))
    else:
        main(*sys.argv[1:])
