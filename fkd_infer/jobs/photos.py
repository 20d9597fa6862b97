"""Photos in threads: each reads and searches some, places their points together, and draws them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.failures import is_out_of_memory
from fkd_infer.jobs.journal import Journal
from fkd_infer.jobs.journal_lines import CompletedSource
from fkd_infer.limits import Limits
from fkd_infer.media.frames import read_photo
from fkd_infer.media.images.header import Size
from fkd_infer.media.sinks import open_sink
from fkd_infer.media.sources import Source
from fkd_infer.pipeline import MAX_PIXELS_IN_WORK, ImageDetections
from fkd_infer.system.hardware import available_threads
from fkd_infer.system.worker_pool import ExclusiveLock, WorkerPool
from fkd_infer.types import Face, Frame


@dataclass(frozen=True)
class Photo:
    """What became of a photo: its faces and its frame, or why it failed, or where an earlier run
    kept them, or nothing where the run was stopped before it."""

    source: Source
    frame: Frame | None = None
    searched: ImageDetections | None = None
    faces: Sequence[Face] = ()
    failure: Exception | None = None
    completed: CompletedSource | None = None


@dataclass(frozen=True)
class PhotoProcessor:
    """What is done with photos; pictures go into `folder`, if there is one, and where `drawn` says
    so they are drawn on and kept until they are handed out. Those that the journal has are not done
    again.

    Once `stopping` says so, no photo is begun, and those that were are finished.
    """

    finder: FaceFinder
    overlay: Overlay
    folder: Path | None
    drawn: bool
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)
    journal: Journal | None = None
    _large: ExclusiveLock = field(default_factory=ExclusiveLock)

    def photos(self, sources: Sequence[Source], workers: int) -> Generator[Photo, None, None]:
        """The photos, done, in the order of their sources.

        Each of the threads holds few at a time: as many as their faces fill a call of the network,
        and fewer that are large, so that all together are MAX_PIXELS_IN_WORK pixels, or what
        memory is meant for them, and one photo per thread. One that is larger than
        a thread's share waits until no other such one is in work.
        """
        workers = min(workers, len(sources))
        room = self.limits.max_pending_pixels(MAX_PIXELS_IN_WORK) // workers
        crew = WorkerPool(
            begin=partial(self._begun, room=room),
            full=partial(self._full, room=room),
            together=self._placed,
            end=self._drawn,
            size=lambda _: 1,
            room=2 * workers * self.finder.pipeline.batch,
            workers=workers,
            released=self._large.release,  # not before the pixels are freed
        )
        # With as many photos as cores at once, threads within each have nothing left to gain:
        # python -m benchmarks.programs.thread_layouts compares.
        with opencv_threads(threads_each(workers)):
            yield from crew(sources)

    def picture(self, source: Source) -> Path | None:
        """Where the picture of a photo goes."""
        return self.folder / source.output if self.folder else None

    def _begun(self, source: Source, room: int) -> Photo:
        """Reads and searches one."""
        if self.stopping():
            return Photo(source)
        if self.journal is not None:
            completed = self.journal.completed(source, self.picture(source))
            if completed is not None:
                return Photo(source, completed=completed)

        try:
            return self._searched(source, room)
        except Exception as error:  # noqa: BLE001 (told where the photo's turn comes)
            self._large.release()
            failure = error
        if is_out_of_memory(failure):
            self._large.acquire()  # what other threads hold of large photos is free again
            try:
                return self._searched(source, room)
            except Exception as error:  # noqa: BLE001 (as above)
                failure = error
            finally:
                self._large.release()
        return Photo(source, failure=failure)

    def _searched(self, source: Source, room: int) -> Photo:
        """A photo with its boxes; a large one once it has the turn."""

        def admit(size: Size) -> None:
            if size.width * size.height > room:
                self._large.acquire()

        stopwatch = self.finder.pipeline.stopwatch
        with stopwatch.for_frames([(source.name, 0)]):
            with stopwatch("read"):
                frame = read_photo(source, self.limits, admit)
            return Photo(source, frame, self.finder.detect(frame))

    def _full(self, begun: Sequence[Photo], room: int) -> bool:
        """Whether they are enough for a call of the network, or as many as memory is meant for."""
        pixels = sum(photo.frame.width * photo.frame.height for photo in begun if photo.frame)
        searched = [photo.searched for photo in begun if photo.searched]
        return pixels >= room or self.finder.pipeline.fills_batch(searched)

    def _placed(self, begun: Sequence[Photo]) -> list[Photo]:
        """Places the points of several."""
        about = [(photo.source.name, 0) for photo in begun if photo.searched]
        try:
            with self.finder.pipeline.stopwatch.for_frames(about):
                faces = iter(self.finder.place_points([p.searched for p in begun if p.searched]))
        except Exception as error:
            if len(begun) > 1:
                raise  # whose fault it is shows one by one
            return [Photo(begun[0].source, failure=error)]
        return [replace(p, faces=next(faces)) if p.searched else p for p in begun]

    def _drawn(self, photo: Photo) -> Photo:
        """Writes the picture of one, and lets go of its pixels."""
        return photo if photo.frame is None else self._written(photo, photo.frame)

    def _written(self, photo: Photo, frame: Frame) -> Photo:
        stopwatch = self.finder.pipeline.stopwatch
        try:
            with stopwatch.for_frames([(photo.source.name, 0)]):
                with stopwatch("draw"):
                    if self.drawn or self.folder is not None:
                        self.overlay.draw(frame.image, photo.faces)
                with stopwatch("write"), open_sink(photo.source, self.folder) as pictures:
                    pictures.write(frame)
        except Exception as error:  # noqa: BLE001 (told where the photo's turn comes)
            return Photo(photo.source, failure=error)
        return replace(photo, frame=frame if self.drawn else _emptied(frame), searched=None)


def network_threads(sources: Sequence[Source], workers: int) -> int | None:
    """Threads for each of the calls that workers make at once; None where it is one that calls."""
    photos = sum(source.kind == "image" for source in sources)
    at_once = min(workers, photos) if photos == len(sources) else 1
    return threads_each(at_once) if at_once > 1 else None


def threads_each(workers: int) -> int:
    """Threads that each of several workers has for itself."""
    return max(1, available_threads() // workers)


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """OpenCV uses so many threads in the block, in all of the process."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _emptied(frame: Frame) -> Frame:
    """A frame of the same size without its memory: all that records need."""
    return replace(frame, image=np.broadcast_to(np.uint8(0), frame.image.shape))
