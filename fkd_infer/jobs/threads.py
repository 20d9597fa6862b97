"""How many threads OpenCV and the networks use, beside the threads of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2

from fkd_infer.media.sources import Source
from fkd_infer.system.hardware import available_threads


def network_threads(sources: Sequence[Source], workers: int) -> int | None:
    """Threads for each network call if workers call it at once; None if one thread calls it."""
    photos = sum(source.kind == "image" for source in sources)
    at_once = min(workers, photos) if photos == len(sources) else 1
    return threads_each(at_once) if at_once > 1 else None


def threads_each(workers: int) -> int:
    """The share of this process's cores for each of several workers."""
    return max(1, available_threads() // workers)


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """Sets OpenCV's threads for the block, in the whole process."""
    previous = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(previous)
