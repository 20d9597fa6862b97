"""Reads the frames of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fkd_infer.errors import LimitError, SettingsError, SourceNotFoundError, UnreadableVideoError
from fkd_infer.limits import Limits
from fkd_infer.media.camera import read_camera
from fkd_infer.media.images.animation import read_animation, read_frames
from fkd_infer.media.images.file import decode_image, read_bytes
from fkd_infer.media.images.header import Size
from fkd_infer.media.sources import Source, local_copy
from fkd_infer.media.video.network_stream import read_stream
from fkd_infer.media.video.reader import count_frames, read_video
from fkd_infer.types import Frame, FrameRange, ReadSettings


def read_photo(
    source: Source,
    limits: Limits | None = None,
    before_decoding: Callable[[Size], object] = lambda _: None,
) -> Frame:
    """Reads a source that is an image; with the arguments and errors of read_image."""
    if source.error is not None:
        raise source.error
    if source.path is None:
        raise SourceNotFoundError(source.name)
    limits = limits or Limits()
    data = read_bytes(source.path, limits)
    return Frame(decode_image(source.name, data, limits, before_decoding), source.name)


def frames_from(
    source: Source,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    settings: ReadSettings = ReadSettings(),  # noqa: B008 (frozen)
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Yields the frames of a source, read one by one; of all but images, those in a range.

    `source` is one that `expand_sources` returns. Objects in stores are copied to temporary files
    first. To stop early, leave the loop.

    Raises SettingsError for another source, SourceNotFoundError, UnreadableImageError,
    UnreadableVideoError, CameraError, StreamError and StoreError for one that does not open,
    StoppedError for a camera or stream that stops, LimitError for frames that are too large, and
    LimitStoppedError for too many. After the last frame of a video with damage it raises
    DamagedVideoError; with `settings.strict`, UnreadableVideoError at the damage.

    Examples:
        >>> import fkd_infer
        >>> (video,) = fkd_infer.expand_sources("party.mp4")
        >>> pipeline = fkd_infer.load()
        >>> for frame in fkd_infer.frames_from(video, fkd_infer.FrameRange(stride=50)):
        ...     print(frame.index, float(frame.time), len(pipeline(frame.image)))
        0 0.0 1
        50 1.6666666666666667 2
        100 3.3333333333333335 1
    """
    if not isinstance(source, Source):
        raise SettingsError("source", "is none: pass one of those that expand_sources returns")
    limits = limits or Limits()
    if source.stored is not None and source.path is None:
        with local_copy(source) as copied:
            yield from frames_from(copied, frame_range, settings, limits)
    elif source.kind == "image":
        yield read_photo(source, limits)
    else:
        try:
            frames = _video_frames(source, frame_range, settings, limits)
            yield from limits.enforce(frames, source.name)
        except (UnreadableVideoError, LimitError) as error:
            if source.path is None or error.subject != str(source.path):
                raise
            raise error.about(source.name) from error


def frame_count(source: Source, frame_range: FrameRange = FrameRange()) -> int | None:  # noqa: B008 (frozen)
    """Returns how many frames to expect from a source; None if that is unknown."""
    if source.kind == "image":
        return 1
    if source.path is None:
        return frame_range.max_frames
    animation = read_animation(source.path)
    if animation is not None:
        count = len(animation.durations)
        duration = sum(animation.durations)
        return frame_range.count(count, count / duration if duration else None)
    return count_frames(source.path, frame_range)


def _video_frames(
    source: Source, frame_range: FrameRange, settings: ReadSettings, limits: Limits
) -> Iterator[Frame]:
    if source.camera is not None:
        yield from frame_range(read_camera(source.camera, source.name))
    elif source.url is not None:
        yield from frame_range(read_stream(source.url, settings, limits=limits))
    elif source.path is None:
        raise SourceNotFoundError(source.name)
    else:
        animation = read_animation(source.path)
        if animation is not None:
            limits.check_video(source.path, *animation.size)
            gray = settings.gray and not settings.stored
            yield from frame_range(_animated(source.path, source.name, frame_range, gray))
        else:
            yield from read_video(source.path, source.name, frame_range, settings, limits)


def _animated(path: Path, name: str, frame_range: FrameRange, gray: bool) -> Iterator[Frame]:
    """Yields the frames of an animation, numbered from the range's start, as of videos."""
    pictures = read_frames(path, gray)
    in_range = ((image, time) for image, time in pictures if time >= frame_range.start)
    for number, (image, time) in enumerate(in_range):
        yield Frame(image, name, number, time)
