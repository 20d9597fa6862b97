"""Writes the annotated frames of a source: a picture, an animation, a video, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

from fkd_infer.errors import UnreadableImageError
from fkd_infer.limits import Limits
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.formats import ANIMATED, by_suffix
from fkd_infer.media.images.metadata import NOTHING, read_original
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sources import Source
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Frame, FrameRange


class FrameSink(AbstractContextManager["FrameSink", None], Protocol):
    """Writes frames to an output, which is complete when the context ends."""

    def write(self, frame: Frame) -> None:
        """Appends a frame."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What of the source the output keeps in another form, or not at all."""
        ...


class NullSink(Scoped):
    """Discards frames."""

    notes: Sequence[str] = ()

    def _scope(self) -> Iterator[None]:
        yield

    def write(self, frame: Frame) -> None:
        """Does nothing."""


class ImageSink(NullSink):
    """Writes an image file, in the format of its suffix, with what it keeps of its original."""

    def __init__(
        self,
        path: Path,
        original: Path | None = None,
        strip_metadata: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._path = path
        self._original = original
        self._metadata = not strip_metadata
        self._limits = limits or Limits()

    def write(self, frame: Frame) -> None:
        """Writes the file."""
        original = NOTHING
        if self._original is not None:
            # OpenCV has read the pixels; what Pillow refuses then is metadata, such as a note that
            # unpacks to gigabytes. The picture is worth more than that.
            with suppress(UnreadableImageError):
                original = read_original(self._original, self._limits, self._metadata)
        write_image(self._path, frame.image, original)


def open_sink(
    source: Source,
    folder: Path | None,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    limits: Limits | None = None,
) -> FrameSink:
    """Returns the sink for the frames of a source, to be entered with `with`.

    Without a folder it discards them. `frame_range` is the range that the frames are read by, and
    `limits` are those of a picture's original.
    """
    if folder is None:
        return NullSink()
    return sink_at(folder / source.output, source, encoding, frame_range, limits)


def sink_at(
    path: Path,
    source: Source,
    encoding: Encoding,
    frame_range: FrameRange,
    limits: Limits | None = None,
) -> FrameSink:
    """The sink of `open_sink` with a path of its own."""
    if source.kind == "image":
        return ImageSink(path, source.path, encoding.strip_metadata, limits)
    if by_suffix(path.suffix.lower()) in ANIMATED:
        return AnimationSink(path, source.path, encoding.quality, frame_range)
    return VideoSink(path, source.path, encoding, frame_range)
