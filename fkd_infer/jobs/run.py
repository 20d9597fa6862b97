"""A run: every source goes through the pipeline into pictures and records."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, takewhile
from types import FrameType

import cv2
from tqdm import tqdm

from fkd_infer.drawing.contact_sheet import ContactSheet
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.drawing.preview_window import PreviewWindow
from fkd_infer.errors import FkdError, RunAbortedError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.failures import write_failures
from fkd_infer.jobs.journal import Journal
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.jobs.photos import Photo, PhotoProcessor
from fkd_infer.jobs.recorder import AbortRunError, FrameWriter, RunRecorder
from fkd_infer.jobs.summary import Summary
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frame_count
from fkd_infer.media.sources import Source
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.stores.address import Place
from fkd_infer.stores.output import local_output
from fkd_infer.types import FrameRange, ReadSettings


@dataclass(frozen=True)
class Job:
    """How a run processes its sources and where results go.

    `workers` photos are processed at once. `frame_range`, `encoding`, `offline` (smoothing with
    frames to come) and `reading` are for videos. `journal` records what is completed, for a later
    run.
    """

    finder: FaceFinder
    overlay: Overlay
    outputs: Outputs
    frame_range: FrameRange = field(default_factory=FrameRange)
    encoding: Encoding = field(default_factory=Encoding)
    offline: bool = False
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    journal: Journal | None = None
    reading: ReadSettings = field(default_factory=ReadSettings)


def run(sources: Iterable[Source], job: Job, quiet: bool = False) -> Summary:
    """Processes the sources in order: consecutive photos in threads, videos one by one.

    If they are no sequence, they are found as they are needed, and their number is not known.

    A source that fails does not end the run. SIGINT or SIGTERM ends it, and so does an error that
    concerns all sources; both leave complete files of what was processed. Errors are in the
    summary, and the list of failures is updated.
    """
    summary = Summary(stages=job.finder.pipeline.stopwatch.seconds)
    started = time.perf_counter()
    try:
        _run(sources, job, quiet, summary)
    except AbortRunError as abort:
        if not isinstance(abort.error, FkdError):
            raise abort.error from None
        summary.fatal_error = RunAbortedError(abort.error)
    summary.tracking = job.finder.summary
    summary.seconds = time.perf_counter() - started
    return summary


def _run(sources: Iterable[Source], job: Job, quiet: bool, summary: Summary) -> None:
    """Processes the sources; raises AbortRunError, once everything is closed, if it cannot."""
    with ExitStack() as stack:
        signalled = stack.enter_context(received_signals())
        stack.enter_context(silent_readers())
        if job.journal is not None:
            stack.enter_context(job.journal.opened())
        if job.outputs.failures is not None:
            stack.callback(_update_failures, job, job.outputs.failures, summary)
        total = _total_frames(sources, job.frame_range) if isinstance(sources, Sequence) else None
        bar = stack.enter_context(
            tqdm(total=total, unit="frames", leave=False, disable=True if quiet else None)
        )
        window = stack.enter_context(PreviewWindow("fkd")) if job.outputs.show else None

        def stopping() -> bool:
            return signalled() or (window is not None and window.closed)

        with _record_writers(job) as writers:
            if window is not None:
                writers.append(lambda frame, _: window.write(frame))
            recorder = RunRecorder(summary, writers, bar.update, job.journal)
            _process(sources, job, recorder, stopping)
            summary.complete = not stopping()
        if summary.complete and not summary.failures and job.journal is not None:
            job.journal.finish()
        summary.stopped = signalled()


def _update_failures(job: Job, path: Place, summary: Summary) -> None:
    run = job.journal.run if job.journal is not None else ""
    write_failures(path, run, summary.failures, summary.reached, summary.complete)


@contextmanager
def _record_writers(job: Job) -> Iterator[list[FrameWriter]]:
    """Writers of the files for all sources, which are complete after the block.

    They are also completed if the block ends with an FkdError, and discarded after any other.
    """
    outputs, scheme = job.outputs, job.finder.pipeline.card.landmarks
    with ExitStack() as stack:
        writers: list[FrameWriter] = []
        for record in outputs.records:
            path = stack.enter_context(local_output(record.path)).path
            sink = replace(record, path=path).open(scheme, outputs.extras)
            writers.append(stack.enter_context(sink).write)
        if outputs.sheet is not None:
            path = stack.enter_context(local_output(outputs.sheet)).path
            writers.append(stack.enter_context(ContactSheet(path)).write)
        try:
            yield writers
        except AbortRunError as abort:
            if isinstance(abort.error, FkdError):
                with suppress(FkdError):
                    stack.close()
            raise
        try:
            stack.close()
        except FkdError as error:
            raise AbortRunError(error) from error


def _process(
    sources: Iterable[Source], job: Job, recorder: RunRecorder, stopping: Callable[[], bool]
) -> None:
    """Processes groups of consecutive photos and of consecutive videos."""
    found = takewhile(lambda _: not stopping(), _found(sources))
    for is_image, group in groupby(found, key=lambda source: source.kind == "image"):
        process = _process_photos if is_image else _process_videos
        process(group, job, recorder, stopping)


def _found(sources: Iterable[Source]) -> Iterator[Source]:
    """Yields sources; an error of the search ends the run."""
    try:
        yield from sources
    except FkdError as error:
        raise AbortRunError(error) from error


def _process_photos(
    sources: Iterable[Source], job: Job, recorder: RunRecorder, stopping: Callable[[], bool]
) -> None:
    """Processes photos in threads, and records them in order."""
    stopwatch, outputs = job.finder.pipeline.stopwatch, job.outputs
    processor = PhotoProcessor(
        job.finder,
        job.overlay,
        outputs.folder,
        outputs.drawn,
        stopping,
        job.limits,
        job.journal,
        job.encoding,
    )
    with closing(processor.photos(sources, job.workers)) as photos:
        for photo in photos:
            if photo.failure is not None:
                recorder.fail(photo.source, photo.failure)
            elif photo.completed is not None:
                recorder.replay(photo.source, photo.completed)
            elif photo.frame is not None:
                picture = processor.picture(photo.source)
                with stopwatch.for_frames([(photo.source.name, 0)]), stopwatch("write"):
                    record = partial(_record, recorder, photo)
                    recorder.process(photo.source, picture, record, photo.picture)


def _record(recorder: RunRecorder, photo: Photo) -> bool:
    """Records a processed photo."""
    assert photo.frame is not None
    recorder.record(photo.frame, photo.faces)
    return True


def _process_videos(
    sources: Iterable[Source], job: Job, recorder: RunRecorder, stopping: Callable[[], bool]
) -> None:
    """Processes videos, cameras and streams one after the other."""
    outputs, journal = job.outputs, job.journal
    processor = VideoProcessor(
        job.finder,
        job.overlay,
        outputs.folder,
        outputs.drawn or outputs.folder is not None,
        job.frame_range,
        job.encoding,
        job.offline,
        stopping,
        job.limits,
        job.reading,
    )
    for source in sources:
        if stopping():
            return
        picture = processor.picture(source)
        try:
            completed = journal.completed(source, picture) if journal is not None else None
        except FkdError as error:  # of the store that has the picture
            recorder.fail(source, error)
            continue
        if completed is not None:
            recorder.replay(source, completed)
        else:
            note = partial(recorder.note, source)
            recorder.process(source, picture, partial(processor, source, recorder.record, note))


def _total_frames(sources: Sequence[Source], frame_range: FrameRange) -> int | None:
    """Frames of all sources; None if a source does not say."""
    total = 0
    for source in sources:
        try:
            count = frame_count(source, frame_range)
        except FkdError:
            count = 0  # reported when the source is processed
        if count is None:
            return None
        total += count
    return total


@contextmanager
def received_signals() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM was received; a second one raises KeyboardInterrupt."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    previous = {kind: signal.signal(kind, note) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for kind, handler in previous.items():
            signal.signal(kind, handler)


@contextmanager
def silent_readers() -> Iterator[None]:
    """Keeps OpenCV's and Pillow's own messages about bad files off the terminal."""
    logging = cv2.utils.logging
    previous = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL|pi_heif")
            yield
    finally:
        logging.setLogLevel(previous)
