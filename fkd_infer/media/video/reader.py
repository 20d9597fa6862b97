"""Reads the frames of video files: upright, in true colours, with exact times, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.limits import Limits
from fkd_infer.media.video.colour import to_bgr, to_gray
from fkd_infer.media.video.container import OpenVideo, open_video
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

_TOLERANCE_S = Fraction(1, 2)
"""By which a file may end before the duration in its header, which is often rounded."""


def read_video(
    path: Path,
    name: str,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    gray: bool = False,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Yields the frames of a file as players show them: display matrix applied, colours as tagged.

    `gray` reads only luma, as (H, W). Frames are numbered from the range's start; times are the
    file's. Raises UnreadableVideoError at the first damage and for a truncated file, and
    LimitError for frames that are too large.
    """
    from av.video.reformatter import VideoReformatter

    convert, limits = to_gray if gray else to_bgr, limits or Limits()
    with open_video(path) as video:
        limits.check_video(path, video.stream.width, video.stream.height)
        # Frames may grow in the middle of a file; then the decoder refuses them.
        video.stream.codec_context.options = {"max_pixels": str(limits.pixels)}
        reformatter = VideoReformatter()
        if frame_range.start > 0:
            video.seek(frame_range.start)

        def frames() -> Iterator[Frame]:
            index = 0
            for picture, time in _timed_pictures(video, frame_range.start):
                if time >= frame_range.start:
                    yield Frame(convert(picture, reformatter), name, index, time)
                    index += 1

        yield from frame_range(frames())


def count_frames(path: Path, frame_range: FrameRange = FrameRange()) -> int | None:  # noqa: B008 (frozen)
    """Returns how many frames of a range a file's header announces; None if it does not say."""
    with open_video(path) as video:
        frames, duration = video.stream.frames, video.duration
        if not frames:
            if duration is None or not video.rate:
                return None
            frames = round(duration * video.rate)
        return frame_range.count(frames, video.rate)


def _timed_pictures(video: OpenVideo, start: Fraction) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yields decoded pictures with their times in seconds."""
    step = 1 / video.rate if video.rate else Fraction(0)
    time = -step
    for picture in _pictures(video, start):
        ticks = picture.dts if picture.pts is None else picture.pts
        if ticks is None or picture.time_base is None:
            time += step
        else:
            time = ticks * picture.time_base - video.zero
        yield picture, time


def _pictures(video: OpenVideo, start: Fraction) -> Iterator[VideoFrame]:
    """Yields decoded pictures in display order, including some before `start`.

    Frame threads stay off: they report errors late, and PyAV drops the errors that occur while it
    drains the decoder.
    """
    from av.error import FFmpegError

    count = packets = 0
    end = Fraction(0)
    try:
        # All streams are read: the end of the sound also tells whether a file is truncated.
        for packet in video.container.demux():
            if packet.is_corrupt:
                raise video.damaged(f"cut short or damaged after frame {count}")
            end = max(end, (video.time_of(packet) or end) + _duration(packet))
            if packet.stream.index != video.stream.index:
                continue
            if packet.dts is not None or packet.pts is not None:
                packets += 1
                if not packet.size:
                    # A skipped frame; to the decoder an empty packet would mean the end.
                    continue
            for picture in video.stream.decode(packet):
                if picture.is_corrupt:
                    if start > 0 and not count:
                        continue  # it depends on frames from before the seek point
                    raise video.damaged(f"damaged at frame {count}")
                yield picture
                count += 1
    except FFmpegError as error:
        raise video.damaged(f"{error.strerror or error} (after frame {count})") from error
    if (count == 0 and not start) or _is_truncated(video, packets, end, from_start=not start):
        raise video.damaged(f"cut short: it ends after {count} frames")


def _duration(packet: Packet[Stream]) -> Fraction:
    return (packet.duration or 0) * packet.time_base


def _is_truncated(video: OpenVideo, packets: int, end: Fraction, from_start: bool) -> bool:
    """Returns whether the header announced more; libav reports no error at such an end.

    `from_start` says whether `packets` counts all packets of the file.
    """
    if video.is_mp4:
        if from_start:
            return packets < len(video.stream.index_entries)
        return video.end is not None and end + _TOLERANCE_S < video.end
    announced: Fraction | None = None
    if "matroska" in video.container.format.name:
        announced = video.duration
    elif video.container.format.name == "avi" and video.stream.time_base:
        announced = video.stream.frames * video.stream.time_base
    return announced is not None and end + _TOLERANCE_S < announced
