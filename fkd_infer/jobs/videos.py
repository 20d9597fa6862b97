"""Moving pictures: read, followed, drawn and written, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from fkd_infer.drawing.overlay import Overlay
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sinks import FrameSink, open_sink
from fkd_infer.media.sources import Source
from fkd_infer.media.video.writer import Encoding
from fkd_infer.system.prefetch import prefetch
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.types import Face, Frame, FrameRange

Seen = tuple[Frame, list[Face]]
_ROOM = 3
"""Frames that wait between two threads: enough to even out a slow one, and memory stays flat."""


@dataclass(frozen=True)
class VideoProcessor:
    """What is done with a video, a camera or a stream.

    Pictures go into `folder`, if there is one, and frames are drawn on where `drawn` says so.
    `offline` looks ahead for smoothing. Once `stopping` says so, no more frames are taken.
    """

    finder: FaceFinder
    overlay: Overlay
    folder: Path | None
    drawn: bool
    frame_range: FrameRange
    encoding: Encoding
    offline: bool
    stopping: Callable[[], bool]
    limits: Limits = field(default_factory=Limits)

    def __call__(self, source: Source, record: Callable[[Frame, Sequence[Face]], None]) -> bool:
        """Does all of it; `record` gets each frame, drawn on, with its faces, in this thread.

        False where it was stopped before the end.
        """
        stopwatch = self.finder.pipeline.stopwatch
        with ExitStack() as stack:
            pictures = stack.enter_context(self._sink(source))
            for frame, faces in stack.enter_context(closing(self._done(source))):
                with stopwatch.for_frames([(frame.source, frame.index)]), stopwatch("write"):
                    pictures.write(frame)
                    record(frame, faces)
                if self.stopping():
                    return False
        return True

    def picture(self, source: Source) -> Path | None:
        """Where the video of a source goes."""
        return self.folder / source.output if self.folder else None

    def _sink(self, source: Source) -> FrameSink:
        return open_sink(source, self.folder, self.encoding, self.frame_range)

    def _done(self, source: Source) -> Generator[Seen, None, None]:
        """Frames with their faces, drawn on; each stage in a thread."""
        gray = not self.drawn and self.finder.takes_gray
        read = prefetch(self._read(source, gray), _ROOM, "read")
        seen = prefetch(self._found(read, source), _ROOM, "find")
        return prefetch(self._drawn(seen), _ROOM, "draw") if self.drawn else seen

    def _read(self, source: Source, gray: bool) -> Iterator[Frame]:
        """The frames of a source, their reading counted as a stage."""
        stopwatch = self.finder.pipeline.stopwatch
        frames = frames_from(source, self.frame_range, gray, self.limits)
        for number in count():
            with stopwatch.for_frames([(source.name, number)]), stopwatch("read"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _found(self, frames: Generator[Frame, None, None], source: Source) -> Iterator[Seen]:
        found = self._faces(frames, source)
        yield from smooth_offline(found) if self.offline else found

    def _faces(self, frames: Generator[Frame, None, None], source: Source) -> Iterator[Seen]:
        with closing(frames):
            for frame in frames:
                with self.finder.pipeline.stopwatch.for_frames([(frame.source, frame.index)]):
                    faces = self.finder(frame, source.kind)
                yield frame, faces

    def _drawn(self, seen: Generator[Seen, None, None]) -> Iterator[Seen]:
        stopwatch = self.finder.pipeline.stopwatch
        with closing(seen):
            for frame, faces in seen:
                with stopwatch.for_frames([(frame.source, frame.index)]), stopwatch("draw"):
                    self.overlay.draw(frame.image, faces)
                yield frame, faces
