"""Processes one video in segments, with an executor of processes or threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fkd_infer.errors import LimitStoppedError, SegmentError, UnreadableVideoError
from fkd_infer.jobs.segments.joining import (
    JoinedVideo,
    check_cuts,
    finished_frames,
    frames_without_pixels,
    join_segments,
)
from fkd_infer.jobs.segments.plan import Segment, plan_segments
from fkd_infer.jobs.segments.tasks import (
    FoundSegment,
    SegmentJob,
    draw_part,
    find_faces,
    run_on,
)
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.media.sources import Source, local_copy
from fkd_infer.media.video.segments.parts import PART_SUFFIX, Part, join_parts
from fkd_infer.stores.output import local_output
from fkd_infer.stores.temporary import temporary_folder
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.types import Face, Frame

T = TypeVar("T")
_POLL_S = 0.2
"""How often a run looks whether it is to stop."""


class _StoppingError(Exception):
    """The run is to stop."""


@dataclass(frozen=True)
class SegmentedVideoProcessor:
    """Processes a video in segments of at least `seconds` at once, with the results of `whole`, the
    processor of all of it.

    `executor` runs functions and arguments that can be pickled, on this or on other machines: files
    are read there by the same paths, and sources in stores are copied. What cannot be cut is left
    to `whole`, with a note that says why. `joined` is called with how the segments were joined.
    """

    whole: VideoProcessor
    executor: Executor
    seconds: float
    joined: Callable[[JoinedVideo], None] = lambda _: None

    def __call__(
        self,
        source: Source,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None] = lambda _: None,
    ) -> bool:
        """Does what `whole` does; but the frames that it calls `record` with have no pixels, so it
        is not for contact sheets and previews.

        Returns whether the source was processed to its end. A run that stops before that has
        written and recorded nothing.
        """
        with local_copy(source) as copied:
            return self._process(copied, record, note)

    def _process(
        self,
        source: Source,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None],
    ) -> bool:
        try:
            segments = self._plan(source)
            found = self._find(source, segments)
        except (SegmentError, UnreadableVideoError, LimitStoppedError) as error:
            note(f"not in segments: {error.problem}")
            return self.whole(source, record, note)
        except _StoppingError:
            return False
        try:
            self._finish(source, segments, *found, record, note)
        except _StoppingError:
            return False
        return True

    def _plan(self, source: Source) -> list[Segment]:
        whole = self.whole
        if whole.drawn and whole.folder is None:
            raise SegmentError(source.name, "previews and contact sheets show whole runs")
        tracker = whole.finder.tracker
        if tracker is not None and tracker.detector.traits.any_roll:
            problem = "--roll any adds up how far faces turn from their first frame on"
            raise SegmentError(source.name, problem)
        return plan_segments(source, self.seconds, whole.frame_range, whole.reading, whole.limits)

    def _find(
        self, source: Source, segments: Sequence[Segment]
    ) -> tuple[SegmentJob, JoinedVideo, FoundSegment]:
        """The faces of all frames, and the first segment."""
        job = self._job(source)
        found = self._map(find_faces, [(job, segment) for segment in segments])
        check_cuts(source.name, found)
        states = [one.state for one in found[:-1]]
        arguments = [
            (job, segment, state, one)
            for segment, state, one in zip(segments[1:], states, found[1:], strict=True)
            if state is not None
        ]
        joined = join_segments(
            found,
            self._map(run_on, arguments),
            lambda n, state: self._map(run_on, [(job, segments[n], state, found[n])])[0],
        )
        return job, joined, found[0]

    def _job(self, source: Source) -> SegmentJob:
        whole = self.whole
        return SegmentJob(
            source,
            whole.finder,
            whole.overlay,
            whole.drawn,
            whole.encoding,
            whole.limits,
            whole.reading,
        )

    def _finish(
        self,
        source: Source,
        segments: Sequence[Segment],
        job: SegmentJob,
        joined: JoinedVideo,
        first: FoundSegment,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None],
    ) -> None:
        """Writes the annotated video, and records all frames."""
        tracker = self.whole.finder.tracker
        frames = frames_without_pixels(source.name, segments, first.width, first.height)
        rule, smoothing = None, tracker.smoothing if tracker is not None else "off"
        if tracker is not None:
            rule = tracker.detector.rule
            tracker.summary.frames += len(frames)
            tracker.summary.detections += sum(one.searched for one in joined.tracked)
        finished = finished_frames(frames, joined.tracked, rule, smoothing, self.whole.offline)
        results = list(finished)
        picture = self.whole.picture(source)
        if job.drawn and picture is not None:
            with local_output(picture) as output:
                notes = self._draw(job, segments, [faces for _, faces in results], output.path)
            for text in notes:
                note(text)
        for frame, faces in results:
            record(frame, faces)
        if number := joined.run_ons.count(None):
            note(f"{number} of its {len(segments)} segments were tracked one after the other")
        self.joined(joined)

    def _draw(
        self,
        job: SegmentJob,
        segments: Sequence[Segment],
        faces: Sequence[Sequence[Face]],
        output: Path,
    ) -> Sequence[str]:
        """Draws and encodes all segments, and joins them; returns notes."""
        assert job.source.path is not None
        arguments = [
            (job, segment, faces[segment.first : segment.first + len(segment.times)], output)
            for segment in segments
        ]
        with temporary_folder() as folder:
            parts = [
                Part(folder / f"{number}{PART_SUFFIX}", segment.times)
                for number, segment in enumerate(segments)
            ]
            for number, data in self._results(draw_part, arguments):
                with output_errors(parts[number].path):
                    parts[number].path.write_bytes(data)
            whole, first = self.whole, first_frame(job, segments[0])
            return join_parts(
                output, job.source.path, parts, first, whole.encoding, whole.frame_range
            )

    def _map(self, function: Callable[..., T], arguments: Sequence[tuple[object, ...]]) -> list[T]:
        """Calls a function with each of the arguments, at once; returns the results in order."""
        found = dict(self._results(function, arguments))
        return [found[number] for number in range(len(arguments))]

    def _results(
        self, function: Callable[..., T], arguments: Sequence[tuple[object, ...]]
    ) -> Iterator[tuple[int, T]]:
        """Calls a function with each of the arguments, at once; yields the results as they come,
        each with its number, and keeps none. Raises _StoppingError if the run is to stop first."""
        submit = self.executor.submit
        waiting = {submit(function, *each): number for number, each in enumerate(arguments)}
        try:
            while waiting:
                for future in wait(waiting, _POLL_S, FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
                if waiting and self.whole.stopping():
                    raise _StoppingError
        finally:
            for future in waiting:
                future.cancel()


def first_frame(job: SegmentJob, first: Segment) -> Frame:
    """The first frame of the first segment."""
    frame_range = replace(first.frame_range, max_frames=1)
    with closing(job.frames(replace(first, times=first.times[:1]), frame_range)) as frames:
        return next(frames)
