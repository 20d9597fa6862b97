"""The work of fkd-infer: frames of every source through the pipeline, into pictures and records."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from types import FrameType

import cv2
from tqdm import tqdm

from fkd_infer.drawing.contact_sheet import ContactSheet
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.drawing.preview_window import PreviewWindow
from fkd_infer.errors import FkdError, RunEndedError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.failures import write_failures
from fkd_infer.jobs.journal import Journal
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.jobs.photos import Photo, PhotoProcessor
from fkd_infer.jobs.recorder import EndedError, RunRecorder, Take
from fkd_infer.jobs.summary import Summary
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frame_count
from fkd_infer.media.sources import Source
from fkd_infer.media.video.writer import Encoding
from fkd_infer.types import FrameRange


@dataclass(frozen=True)
class Job:
    """What is done with sources: faces are found and drawn on, photos by so many workers; of what
    moves, the frames of a cut, written in an encoding. `offline` looks ahead to smooth. `journal`
    keeps what is completed, for a later run."""

    finder: FaceFinder
    overlay: Overlay
    outputs: Outputs
    frame_range: FrameRange = field(default_factory=FrameRange)
    encoding: Encoding = field(default_factory=Encoding)
    offline: bool = False
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    journal: Journal | None = None


def run(sources: Sequence[Source], job: Job, quiet: bool = False) -> Summary:
    """Processes the sources, and goes on after one that fails: photos that follow each other in
    threads, so many at once, and moving pictures one by one. Records come in order.

    SIGINT or SIGTERM leaves whole files of what was done, and so does an error after which no
    source can be done; it is in the summary. The list of failures is brought up to date.
    """
    summary = Summary(stages=job.finder.pipeline.stopwatch.seconds)
    started = time.perf_counter()
    try:
        _run(sources, job, quiet, summary)
    except EndedError as ended:
        if not isinstance(ended.error, FkdError):
            raise ended.error from None
        summary.ended = RunEndedError(ended.error)
    summary.followed = job.finder.summary
    summary.seconds = time.perf_counter() - started
    return summary


def _run(sources: Sequence[Source], job: Job, quiet: bool, summary: Summary) -> None:
    """Does the sources; raises EndedError, once all is closed, where there is no going on."""
    ended: EndedError | None = None
    with ExitStack() as stack:
        stopping = stack.enter_context(_stop_on_signal())
        stack.enter_context(_opencv_silent())
        if job.journal is not None:
            stack.enter_context(job.journal)
        if job.outputs.failures is not None:
            stack.callback(_list_failures, job, job.outputs.failures, summary)
        total = _total(sources, job.frame_range)
        bar = stack.enter_context(
            tqdm(total=total, unit="frames", leave=False, disable=True if quiet else None)
        )
        window = stack.enter_context(PreviewWindow("fkd")) if job.outputs.show else None
        closing_records = stack.enter_context(ExitStack())
        takes = _takes(job, closing_records)
        if window is not None:
            takes.append(lambda frame, _: window.write(frame))
        recorder = RunRecorder(summary, takes, bar.update, job.journal)

        def enough() -> bool:
            return stopping() or (window is not None and window.closed)

        try:
            for kind, group in groupby(sources, key=lambda source: source.kind == "image"):
                if enough():
                    break
                process = _photos if kind else _moving
                process(list(group), job, recorder, enough)
            summary.whole = not enough()
        except EndedError as error:
            ended = error
        # Records of what was done are made whole whatever ended it, but after mistakes of ours.
        if ended is None or isinstance(ended.error, FkdError):
            try:
                closing_records.close()
            except FkdError as error:
                ended = ended or EndedError(error)
        if ended is not None:
            raise ended
        if summary.whole and not summary.failures and job.journal is not None:
            job.journal.finish()
        summary.stopped = stopping()


def _list_failures(job: Job, path: Path, summary: Summary) -> None:
    run = job.journal.run if job.journal is not None else ""
    write_failures(path, run, summary.failures, summary.reached, summary.whole)


def _takes(job: Job, stack: ExitStack) -> list[Take]:
    """What takes the frames and their faces into files for all sources."""
    outputs, scheme = job.outputs, job.finder.pipeline.card.landmarks
    takes: list[Take] = [
        stack.enter_context(record.open(scheme, outputs.extras)).write for record in outputs.records
    ]
    if outputs.sheet is not None:
        takes.append(stack.enter_context(ContactSheet(outputs.sheet)).write)
    return takes


def _photos(
    sources: Sequence[Source], job: Job, recorder: RunRecorder, stopping: Callable[[], bool]
) -> None:
    """Photos, several at once."""
    stopwatch, outputs = job.finder.pipeline.stopwatch, job.outputs
    processor = PhotoProcessor(
        job.finder, job.overlay, outputs.folder, outputs.drawn, stopping, job.limits, job.journal
    )
    with closing(processor.photos(sources, job.workers)) as photos:
        for photo in photos:
            if photo.failure is not None:
                recorder.fail(photo.source, photo.failure)
            elif photo.completed is not None:
                recorder.repeat(photo.source, photo.completed)
            elif photo.frame is not None:
                with stopwatch.for_frames([(photo.source.name, 0)]), stopwatch("write"):
                    recorder.work_on(
                        photo.source,
                        processor.picture(photo.source),
                        partial(_take, recorder, photo),
                    )


def _take(recorder: RunRecorder, photo: Photo) -> bool:
    """Takes down a photo that is done."""
    assert photo.frame is not None
    recorder.record(photo.frame, photo.faces)
    return True


def _moving(
    sources: Sequence[Source], job: Job, recorder: RunRecorder, stopping: Callable[[], bool]
) -> None:
    """Videos and cameras, one after the other."""
    outputs, journal = job.outputs, job.journal
    drawn = outputs.drawn or outputs.folder is not None
    processor = VideoProcessor(
        job.finder,
        job.overlay,
        outputs.folder,
        drawn,
        job.frame_range,
        job.encoding,
        job.offline,
        stopping,
        job.limits,
    )
    for source in sources:
        if stopping():
            return
        picture = processor.picture(source)
        known = journal.completed(source, picture) if journal is not None else None
        if known is not None:
            recorder.repeat(source, known)
        else:
            recorder.work_on(source, picture, partial(processor, source, recorder.record))


def _total(sources: Sequence[Source], frame_range: FrameRange) -> int | None:
    """Frames of all sources; None where one does not say how many it has."""
    total = 0
    for source in sources:
        try:
            count = frame_count(source, frame_range)
        except FkdError:
            count = 0  # told when its turn comes
        if count is None:
            return None
        total += count
    return total


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came; a second one ends the program at once."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def _opencv_silent() -> Iterator[None]:
    """Keeps OpenCV's own lines about bad files off the terminal: each is told once, in one line."""
    logging = cv2.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
