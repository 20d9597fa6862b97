"""Videos, cameras and streams: frames are read, searched and drawn on in a thread per stage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import count

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import UnreadableVideoError
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.threads import opencv_threads
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sinks import FrameSink, NullSink, sink_at
from fkd_infer.media.sources import Source, local_copy
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.stores.address import Place
from fkd_infer.stores.output import local_output
from fkd_infer.system.prefetch import prefetch
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.types import Face, Frame, FrameRange, ReadSettings

FrameFaces = tuple[Frame, list[Face]]
_QUEUE_SIZE = 3
"""Frames that wait between two stages: enough to even out a slow one, while memory stays flat."""


@dataclass(frozen=True)
class VideoProcessor:
    """Finds the faces of a video, camera or stream, draws them if `drawn`, and writes the result to
    `folder`, if there is one.

    `offline` smooths points with frames to come. Once `stopping` returns true, no more frames are
    read.
    """

    finder: FaceFinder
    overlay: Overlay
    folder: Place | None
    drawn: bool
    frame_range: FrameRange
    encoding: Encoding
    offline: bool
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)
    reading: ReadSettings = field(default_factory=ReadSettings)

    def __call__(
        self,
        source: Source,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None] = lambda _: None,
    ) -> bool:
        """Processes a source, and calls `record` in this thread with each frame and its faces, and
        `note` with what its video keeps in another form.

        Returns whether the source was processed to its end.
        """
        picture = self.picture(source)
        with local_copy(source) as copied:
            if picture is None:
                return self._process(copied, NullSink(), record, note)
            with local_output(picture) as output:
                sink = sink_at(output.path, copied, self.encoding, self.frame_range)
                return self._process(copied, sink, record, note)

    def _process(
        self,
        source: Source,
        sink: FrameSink,
        record: Callable[[Frame, Sequence[Face]], None],
        note: Callable[[str], None],
    ) -> bool:
        stopwatch = self.finder.pipeline.stopwatch

        def pass_notes_on() -> None:
            for text in sink.notes:
                note(text)

        with ExitStack() as stack:
            # What is drawn is too small to be shared, and each stage has a thread already.
            stack.enter_context(opencv_threads(1))
            stack.callback(pass_notes_on)
            pictures = stack.enter_context(sink)
            frame = None
            for frame, faces in stack.enter_context(closing(self._processed(source))):
                with stopwatch.for_frames([(frame.source, frame.index)]), stopwatch("write"):
                    pictures.write(frame)
                    record(frame, faces)
                if self.stopping():
                    return False
            if frame is None and source.path is not None and not self.stopping():
                problem = "no frame of it is in the chosen range"
                raise UnreadableVideoError(source.path, problem, "choose an earlier --start")
        return True

    def picture(self, source: Source) -> Place | None:
        """The place of a source's video."""
        return self.folder / source.output if self.folder else None

    def _processed(self, source: Source) -> Generator[FrameFaces, None, None]:
        """Frames, drawn on, with their faces, from a thread for each stage."""
        frames = prefetch(self._read(source), _QUEUE_SIZE, "read")
        with_faces = prefetch(self._find(frames, source), _QUEUE_SIZE, "find")
        return prefetch(self._draw(with_faces), _QUEUE_SIZE, "draw") if self.drawn else with_faces

    def _read(self, source: Source) -> Iterator[Frame]:
        """Reads the frames of a source."""
        stopwatch = self.finder.pipeline.stopwatch
        gray = self.finder.takes_gray
        stored = self.drawn or (gray and self.finder.sees_colour)
        settings = replace(self.reading, gray=gray, stored=stored)
        frames = frames_from(source, self.frame_range, settings, self.limits)
        for number in count():
            with stopwatch.for_frames([(source.name, number)]), stopwatch("read"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _find(self, frames: Generator[Frame, None, None], source: Source) -> Iterator[FrameFaces]:
        """Finds the faces of frames, and smooths their points."""
        with_faces = self._find_each(frames, source)
        yield from smooth_offline(with_faces) if self.offline else with_faces

    def _find_each(
        self, frames: Generator[Frame, None, None], source: Source
    ) -> Iterator[FrameFaces]:
        with closing(frames):
            for frame in frames:
                with self.finder.pipeline.stopwatch.for_frames([(frame.source, frame.index)]):
                    faces = self.finder(frame, source.kind)
                yield frame, faces

    def _draw(self, with_faces: Generator[FrameFaces, None, None]) -> Iterator[FrameFaces]:
        """Draws the faces on their frames."""
        stopwatch = self.finder.pipeline.stopwatch
        with closing(with_faces):
            for frame, faces in with_faces:
                with stopwatch.for_frames([(frame.source, frame.index)]), stopwatch("draw"):
                    self.overlay.draw(frame.canvas(), faces)
                yield frame, faces
