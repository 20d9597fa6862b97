"""Writes the annotated frames of a source: a picture, an animation, a video, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from fkd_infer.media.images.animation import ANIMATED_SUFFIXES
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.file import write_image
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


class NullSink(Scoped):
    """Discards frames."""

    def _scope(self) -> Iterator[None]:
        yield

    def write(self, frame: Frame) -> None:
        """Does nothing."""


class ImageSink(NullSink):
    """Writes an image file, in the format of its suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, frame: Frame) -> None:
        """Writes the file."""
        write_image(self._path, frame.image)


def open_sink(
    source: Source,
    folder: Path | None,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
) -> FrameSink:
    """Returns the sink for the frames of a source, to be entered with `with`.

    Without a folder it discards them. `frame_range` is the range that the frames are read by.
    """
    if folder is None:
        return NullSink()
    path = folder / source.output
    if source.kind == "image":
        return ImageSink(path)
    if path.suffix.lower() in ANIMATED_SUFFIXES:
        return AnimationSink(path, source.path, encoding.quality, frame_range)
    return VideoSink(path, source.path, encoding, frame_range)
