"""Photos: a thread reads and searches several, places their points in one batch, and draws each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby, islice

import numpy as np

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.failures import is_out_of_memory
from fkd_infer.jobs.journal import Journal
from fkd_infer.jobs.journal_lines import CompletedSource, FileStamp
from fkd_infer.jobs.threads import opencv_threads, threads_each
from fkd_infer.limits import Limits
from fkd_infer.media.frames import read_photo
from fkd_infer.media.images.header import Size
from fkd_infer.media.sinks import ImageSink
from fkd_infer.media.sources import Source, copied_source, discard_copy
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.pipeline import MAX_PIXELS_IN_WORK, ImageDetections
from fkd_infer.stores.address import Place
from fkd_infer.stores.output import local_output
from fkd_infer.system.exclusive_lock import ExclusiveLock
from fkd_infer.system.map_ahead import map_ahead
from fkd_infer.system.worker_pool import WorkerPool
from fkd_infer.types import Face, Frame

_FETCHERS, _FETCHED, _FETCHED_BYTES = 16, 64, 1 << 28
"""Copies of objects that are fetched at once, and those that may wait: their number and bytes."""


@dataclass(frozen=True)
class Photo:
    """A photo on its way through the processor.

    It ends with a frame and faces, with a `failure`, as `completed` by an earlier run, or with none
    of them if the run was stopped before it. `local` is its source with a file, which may be a
    copy, until it is finished; `picture` the stamp of one that was written to a store.
    """

    source: Source
    frame: Frame | None = None
    detections: ImageDetections | None = None
    faces: Sequence[Face] = ()
    failure: Exception | None = None
    completed: CompletedSource | None = None
    local: Source | None = None
    picture: FileStamp | None = None


@dataclass(frozen=True)
class PhotoProcessor:
    """Finds the faces of photos, draws them, and writes the result to `folder`, if there is one.

    Results keep their pixels, drawn on, if `drawn`. Photos that the journal has as completed are
    skipped. Once `stopping` returns true, no further photo is begun. `opencv_threads` are those for
    each photo: by default, a worker's share of the cores.
    """

    finder: FaceFinder
    overlay: Overlay
    folder: Place | None
    drawn: bool
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)
    journal: Journal | None = None
    encoding: Encoding = field(default_factory=Encoding)
    opencv_threads: int | None = None
    _large_photo: ExclusiveLock = field(default_factory=ExclusiveLock)

    def photos(self, sources: Iterable[Source], workers: int) -> Generator[Photo, None, None]:
        """Processes photos in threads; yields them in the order of their sources, which are found
        as they are needed.

        All threads together hold at most MAX_PIXELS_IN_WORK pixels, or what the memory limit
        allows, plus one photo each. A photo larger than a thread's share waits until no other
        large photo is in memory.
        """
        others = iter(sources)
        first = list(islice(others, workers))
        workers = min(workers, len(first))
        share = self.limits.max_pending_pixels(MAX_PIXELS_IN_WORK) // workers
        pool = WorkerPool(
            prepare=partial(self._begin, share=share),
            is_full=partial(self._is_full, share=share),
            process_batch=self._place_points,
            finish=self._finish,
            size=lambda _: 1,
            capacity=2 * workers * self.finder.pipeline.batch,
            workers=workers,
            on_batch_done=self._large_photo.release,  # not before the pixels are freed
        )
        # With a photo per core, threads within OpenCV gain nothing:
        # python -m benchmarks.programs.thread_layouts compares.
        with opencv_threads(self.opencv_threads or threads_each(workers)):
            yield from pool(self._fetched(chain(first, others)))

    def picture(self, source: Source) -> Place | None:
        """The place of a photo's picture."""
        return self.folder / source.output if self.folder else None

    def _fetched(self, sources: Iterable[Source]) -> Iterator[Photo]:
        """Photos to begin with; those in stores are fetched ahead."""
        for remote, group in groupby(sources, lambda source: source.stored is not None):
            if remote:
                room = min(_FETCHED_BYTES, self.limits.memory // 4)
                least = room // _FETCHED
                yield from map_ahead(
                    self._fetch, group, _FETCHERS, room, partial(_copy_size, least=least)
                )
            else:
                yield from map(Photo, group)

    def _fetch(self, source: Source) -> Photo:
        """A photo with a local copy, unless it is completed or the run stopped."""
        if self.stopping():
            return Photo(source)
        try:
            completed = self._completed(source)
            if completed is not None:
                return Photo(source, completed=completed)
            return Photo(source, local=copied_source(source, self.limits))
        except Exception as error:  # noqa: BLE001 (reported with the photo's result)
            return Photo(source, failure=error)

    def _completed(self, source: Source) -> CompletedSource | None:
        if self.journal is None:
            return None
        return self.journal.completed(source, self.picture(source))

    def _begin(self, photo: Photo, share: int) -> Photo:
        """Reads and searches a photo, unless it is completed or the run stopped.

        After a lack of memory, tries again once no large photo is in memory.
        """
        if photo.failure is not None or photo.completed is not None or self.stopping():
            return photo
        source = photo.local or photo.source
        try:
            completed = self._completed(source) if photo.local is None else None
            if completed is not None:
                return Photo(source, completed=completed)
            return self._search(photo, source, share)
        except Exception as error:  # noqa: BLE001 (reported with the photo's result)
            self._large_photo.release()
            failure = error
        if is_out_of_memory(failure):
            self._large_photo.acquire()
            try:
                return self._search(photo, source, share)
            except Exception as error:  # noqa: BLE001 (as above)
                failure = error
            finally:
                self._large_photo.release()
        return replace(photo, failure=failure)

    def _search(self, photo: Photo, source: Source, share: int) -> Photo:
        """Reads a photo and detects its faces; waits before it decodes a large one."""

        def wait_if_large(size: Size) -> None:
            if size.width * size.height > share:
                self._large_photo.acquire()

        stopwatch = self.finder.pipeline.stopwatch
        with stopwatch.for_frames([(source.name, 0)]):
            with stopwatch("read"):
                frame = read_photo(source, self.limits, wait_if_large)
            return replace(photo, frame=frame, detections=self.finder.detect(frame))

    def _is_full(self, photos: Sequence[Photo], share: int) -> bool:
        """Whether a thread's photos fill a batch of the network, or its share of memory."""
        pixels = sum(photo.frame.width * photo.frame.height for photo in photos if photo.frame)
        detections = [photo.detections for photo in photos if photo.detections]
        return pixels >= share or self.finder.pipeline.fills_batch(detections)

    def _place_points(self, photos: Sequence[Photo]) -> list[Photo]:
        """Places the points of several photos in one batch."""
        names = [(photo.source.name, 0) for photo in photos if photo.detections]
        detections = [photo.detections for photo in photos if photo.detections]
        try:
            with self.finder.pipeline.stopwatch.for_frames(names):
                faces = iter(self.finder.place_points(detections))
        except Exception as error:
            if len(photos) > 1:
                raise  # the pool tries them one by one, to find the one at fault
            return [replace(photos[0], frame=None, detections=None, failure=error)]
        return [replace(p, faces=next(faces)) if p.detections else p for p in photos]

    def _finish(self, photo: Photo) -> Photo:
        """Draws and writes a photo; drops its pixels unless they are needed, and its copy."""
        try:
            return photo if photo.frame is None else self._write(photo, photo.frame)
        finally:
            if photo.local is not None:
                discard_copy(photo.local)

    def _write(self, photo: Photo, frame: Frame) -> Photo:
        stopwatch, picture, stamp = self.finder.pipeline.stopwatch, self.picture(photo.source), None
        try:
            with stopwatch.for_frames([(photo.source.name, 0)]):
                with stopwatch("draw"):
                    if self.drawn or self.folder is not None:
                        self.overlay.draw(frame.image, photo.faces)
                if picture is not None:
                    source = photo.local or photo.source
                    with stopwatch("write"), local_output(picture) as output:
                        sink = ImageSink(
                            output.path, source.path, self.encoding.strip_metadata, self.limits
                        )
                        with sink:
                            sink.write(frame)
                    if output.stored is not None:
                        stamp = FileStamp.of_object(output.stored)
        except Exception as error:  # noqa: BLE001 (reported with the photo's result)
            return Photo(photo.source, failure=error)
        frame = frame if self.drawn else _without_pixels(frame)
        return replace(photo, frame=frame, detections=None, picture=stamp)


def _copy_size(source: Source, least: int) -> int:
    return max(least, source.stored.size if source.stored else 0)


def _without_pixels(frame: Frame) -> Frame:
    """A black frame of the same size that takes no memory, which is enough for records."""
    return replace(frame, image=np.broadcast_to(np.uint8(0), frame.image.shape))
