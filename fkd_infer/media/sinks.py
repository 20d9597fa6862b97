"""Writes pictures and videos of frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from fkd_infer.errors import OutputError
from fkd_infer.media.images.animation import ANIMATED_SUFFIXES
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.file import write_image
from fkd_infer.media.sources import Source
from fkd_infer.media.video.writer import Encoding, VideoSink
from fkd_infer.system.files.atomic import STDOUT, output_errors
from fkd_infer.types import Frame, FrameRange


def check_outputs(
    sources: Sequence[Source], out: Path | None, records: Sequence[Path] = ()
) -> None:
    """Makes sure, before work starts, that every output has a place of its own to be written to.

    `records` are the files of side outputs. Raises OutputError for two outputs in one place, for
    an output that is a source, and for a folder that cannot be made or written to.
    """
    sources = [source for source in sources if source.unsearched is None]
    originals = {_identity(source.path) for source in sources if source.path}
    for number, record in enumerate(records):
        if record in records[:number]:
            raise OutputError(record, "two outputs would go there", "give each its own file")
        if record != STDOUT:
            _check_target(record, originals)
    if out is not None:
        _check_pictures(sources, out, originals)


def _check_pictures(
    sources: Sequence[Source], out: Path, originals: set[tuple[int, int] | None]
) -> None:
    taken: dict[Path, Source] = {}
    for source in sources:
        other = taken.setdefault(source.output, source)
        if other is not source:
            raise OutputError(
                out / source.output,
                f"both {other.name} and {source.name} would go there",
                "run them one by one, or give the folder that holds both",
            )
    for source in sources:
        _check_target(out / source.output, originals)


class FrameSink(Protocol):
    """Takes annotated frames; a context manager, at whose end the output is complete."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Takes one frame."""
        ...


class NullSink:
    """Takes frames and does nothing with them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def write(self, frame: Frame) -> None:
        """Does nothing."""


class ImageSink(NullSink):
    """An image file, in the format of its suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, frame: Frame) -> None:
        """Writes the file."""
        write_image(self._path, frame.image)


def open_sink(
    source: Source,
    out: Path | None,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
) -> FrameSink:
    """The sink for a source's pictures, to be entered with `with`; does nothing without `out`.

    `frame_range` is what frames are taken by.
    """
    if out is None:
        return NullSink()
    target = out / source.output
    if source.kind == "image":
        return ImageSink(target)
    if target.suffix.lower() in ANIMATED_SUFFIXES:
        return AnimationSink(target, source.path, encoding.quality, frame_range)
    return VideoSink(target, source.path, encoding, frame_range)


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file; None where there is none, which is told by who reads it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_target(target: Path, originals: set[tuple[int, int] | None]) -> None:
    if (there := _identity(target)) is not None and there in originals:
        raise OutputError(target, "it is one of the sources", "write somewhere else")
    folder = target.parent
    with output_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(target, f"no permission to write in {folder}")
    if target.is_dir():
        raise OutputError(target, "a folder of that name is in the way")
