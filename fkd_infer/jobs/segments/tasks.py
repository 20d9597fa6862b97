"""The steps of a video's segments, each of which can run in a process of its own.

Faces are found in all segments at once: `find_faces`. A tracker that begins in the middle of a
video is first in another state than one that saw the frames before. So each segment's tracker runs
on into the next segment until both agree: `run_on`. Then the faces of all frames are known, and
parts are drawn and encoded at once: `draw_part`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from zlib import crc32

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import SegmentError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.segments.plan import COMPARED, Segment
from fkd_infer.jobs.threads import opencv_threads
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sources import Source, local_copy
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.segments.parts import PART_SUFFIX, PartSink
from fkd_infer.stores.temporary import temporary_folder
from fkd_infer.system.prefetch import prefetch
from fkd_infer.system.stopwatch import Stopwatch
from fkd_infer.tracking.state import Ids, TrackerMark, TrackerState
from fkd_infer.tracking.tracked_frame import TrackedFrame
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame, FrameRange, ReadSettings

_QUEUE_SIZE = 3


@dataclass(frozen=True)
class SegmentJob:
    """What the steps of one video share. It can be pickled; networks are loaded where it arrives.

    Faces are drawn on its frames if it is `drawn`. A source in a store is copied where its copy is
    not.
    """

    source: Source
    finder: FaceFinder
    overlay: Overlay
    drawn: bool
    encoding: Encoding = field(default_factory=Encoding)
    limits: Limits = field(default_factory=Limits)
    reading: ReadSettings = field(default_factory=ReadSettings)

    @contextmanager
    def here(self) -> Iterator[SegmentJob]:
        """Yields the same job with a source whose path is a file of this machine.

        Raises StoreError, and SegmentError if an object has changed since it was copied elsewhere.
        """
        with local_copy(self.source) as copied:
            if copied.stored != self.source.stored:
                raise SegmentError(self.source.name, "it has changed meanwhile")
            yield replace(self, source=copied)

    def frames(self, segment: Segment, frame_range: FrameRange) -> Generator[Frame, None, None]:
        """The frames of a segment, or of a range that begins with it.

        Raises SegmentError for a frame that a run of the whole video would not have there.
        """
        settings = self.finder.read_settings(self.reading, self.drawn)
        frames = frames_from(self.source, frame_range, settings, self.limits)
        for number in count():
            with self.stopwatch("read"):
                frame = next(frames, None)
            if frame is None:
                break
            if not segment.has(number, frame.time):
                raise self._mismatch()
            yield replace(frame, index=segment.index_of(number))
        if number < len(segment.times):
            raise self._mismatch()

    @property
    def stopwatch(self) -> Stopwatch:
        """Measures the stages in this process."""
        return self.finder.pipeline.stopwatch

    def tracker(self) -> Tracker | None:
        """A tracker that has seen nothing; None if faces are not tracked."""
        return None if self.finder.tracker is None else self.finder.tracker.another()

    def find(self, tracker: Tracker | None, frame: Frame) -> TrackedFrame:
        """The faces of one frame, not smoothed."""
        if tracker is None:
            return TrackedFrame(frame.time, self.finder(frame, self.source.kind))
        return tracker.track(frame)

    def _mismatch(self) -> SegmentError:
        return SegmentError(self.source.name, "it decodes to other frames from its middle on")


@dataclass(frozen=True, eq=False)
class FoundSegment:
    """The faces of a segment's frames, of `width` × `height` pixels, as if it were a video.

    `marks` are those of the tracker after each frame, `state` is its last one; without a tracker
    there are none. `opening` and `following` are checksums of the segment's first frames and of
    the first ones after it.
    """

    tracked: list[TrackedFrame]
    marks: list[TrackerMark]
    state: TrackerState | None
    opening: list[int]
    following: list[int]
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class RunOn:
    """The faces of a segment's first frames, by the tracker that comes from the one before.

    From then on the segment's own tracker agrees, and `ids` leads from its ids to those of this
    one. If it never does, `ids` is None, these are all frames, and `state` is the last state.
    """

    tracked: list[TrackedFrame]
    ids: Ids | None
    state: TrackerState


def find_faces(job: SegmentJob, segment: Segment) -> FoundSegment:
    """Finds the faces of a segment with a tracker that knows nothing of the frames before.

    Raises SegmentError if decoding cannot begin there, and the errors of reading, also for damage.
    """
    tracker = job.tracker()
    if tracker is not None:
        tracker.reset(segment.first)
    tracked: list[TrackedFrame] = []
    marks: list[TrackerMark] = []
    checksums: list[int] = []
    length, size = len(segment.times), (0, 0)
    with job.here() as here, opencv_threads(1), closing(_read(here, segment, True)) as frames:
        for number, frame in enumerate(frames):
            if number < COMPARED or number >= length:
                checksums.append(crc32(frame.image.tobytes()))
            if number >= length:
                continue
            size = frame.width, frame.height
            tracked.append(job.find(tracker, frame))
            if tracker is not None:
                marks.append(tracker.mark())
    state = None if tracker is None else tracker.state()
    opened = min(length, COMPARED)
    return FoundSegment(tracked, marks, state, checksums[:opened], checksums[opened:], *size)


def run_on(job: SegmentJob, segment: Segment, state: TrackerState, found: FoundSegment) -> RunOn:
    """Tracks from the state before a segment into it, until its own tracker agrees.

    States that agree are equal to the bit, so all later frames have the same faces. Where the ids
    of both are not in the same order, no later frame may depend on it.
    """
    tracker = job.tracker()
    assert tracker is not None
    tracker.restore(state)
    last_contest = max((n for n, one in enumerate(found.tracked) if one.contested), default=-1)
    tracked: list[TrackedFrame] = []
    with job.here() as here, opencv_threads(1), closing(_read(here, segment)) as frames:
        for number, frame in enumerate(frames):
            tracked.append(tracker.track(frame))
            own, other = tracker.mark(), found.marks[number]
            if own.agrees_with(other) and (own.has_order_of(other) or number >= last_contest):
                return RunOn(tracked, own.ids_of(other), tracker.state())
    return RunOn(tracked, None, tracker.state())


def draw_part(
    job: SegmentJob, segment: Segment, faces: Sequence[Sequence[Face]], output: Path
) -> bytes:
    """Draws the faces of each frame of a segment; returns the part that the frames are encoded to.

    `output` is the file that parts are joined to, which this machine need not have.
    """
    with job.here() as here, temporary_folder() as folder:
        assert here.source.path is not None
        part = folder / f"part{PART_SUFFIX}"
        sink = PartSink(part, output, here.source.path, job.encoding)
        with opencv_threads(1), closing(_read(here, segment)) as frames, sink:
            for frame, found in zip(frames, faces, strict=True):
                with job.stopwatch("draw"):
                    job.overlay.draw(frame.canvas(), found)
                with job.stopwatch("write"):
                    sink.write(frame)
        return part.read_bytes()


def _read(
    job: SegmentJob, segment: Segment, with_following: bool = False
) -> Generator[Frame, None, None]:
    """The frames of a segment, read ahead."""
    frame_range = segment.with_following() if with_following else segment.frame_range
    return prefetch(job.frames(segment, frame_range), _QUEUE_SIZE, "read")
