"""Reads the frames of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fkd_infer.errors import SourceFolderError, SourceNotFoundError
from fkd_infer.limits import Limits
from fkd_infer.media.camera import read_camera
from fkd_infer.media.images.animation import read_animation, read_webp
from fkd_infer.media.images.file import read_image
from fkd_infer.media.images.header import Size
from fkd_infer.media.sources import Source
from fkd_infer.media.video.network_stream import read_stream
from fkd_infer.media.video.reader import count_frames, read_video
from fkd_infer.types import Frame, FrameRange


def read_photo(
    source: Source, limits: Limits | None = None, admit: Callable[[Size], object] = lambda _: None
) -> Frame:
    """The picture of a source that is an image; `admit` as in read_image, which tells of errors."""
    if source.path is None:
        raise SourceNotFoundError(source.name)
    if source.unsearched is not None:
        raise SourceFolderError(source.path, source.unsearched)
    return Frame(read_image(source.path, limits, admit), source.name)


def frames_from(
    source: Source,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    gray: bool = False,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """The frames of a source, read as they are asked for; of what moves, those of a cut.

    `gray` reads the luma of video files alone, as (H, W), which is quicker. Raises what its readers
    do, LimitError for pictures that are too large, and LimitStoppedError where it goes on too long.
    """
    limits = limits or Limits()
    if source.kind == "image":
        yield read_photo(source, limits)
    else:
        yield from limits.enforce(_frames_of_video(source, frame_range, gray, limits), source.name)


def _frames_of_video(
    source: Source, frame_range: FrameRange, gray: bool, limits: Limits
) -> Iterator[Frame]:
    if source.camera is not None:
        yield from frame_range(read_camera(source.camera, source.name))
    elif source.url is not None:
        yield from frame_range(read_stream(source.url, gray, limits=limits))
    elif source.path is None:
        raise SourceNotFoundError(source.name)
    else:
        animation = read_animation(source.path)
        if animation is not None:
            limits.check_video(source.path, *animation.size)
        if animation is not None and animation.suffix == ".webp":
            yield from frame_range(_read_webp(source.path, source.name, frame_range, gray))
        else:
            yield from read_video(source.path, source.name, frame_range, gray, limits)


def frame_count(source: Source, frame_range: FrameRange = FrameRange()) -> int | None:  # noqa: B008 (frozen)
    """How many frames a source is expected to give; None where that is not known."""
    if source.path is None:
        return frame_range.max_frames
    if source.kind == "image":
        return 1
    animation = read_animation(source.path)
    if animation is not None:
        count = len(animation.durations)
        length = sum(animation.durations)
        return frame_range.count(count, count / length if length else None)
    return count_frames(source.path, frame_range)


def _read_webp(path: Path, name: str, frame_range: FrameRange, gray: bool) -> Iterator[Frame]:
    """Frames of an animated WebP, numbered from the cut's start as those of videos."""
    pictures = read_webp(path, gray)
    later = ((image, shown) for image, shown in pictures if shown >= frame_range.start)
    for number, (image, shown) in enumerate(later):
        yield Frame(image, name, number, shown)
