"""Reads the frames of video files: upright, in true colours, with exact times.

Damage does not end a video: as a player does, it goes on with what can be decoded. The error that
says what could not follows the last frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fkd_infer.limits import Limits
from fkd_infer.media.video.container import OpenVideo, open_video
from fkd_infer.media.video.converter import PictureConverter
from fkd_infer.media.video.damage import Damage
from fkd_infer.media.video.filtering import deinterlaced
from fkd_infer.types import Frame, FrameRange, ReadSettings

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

_TimedPicture: TypeAlias = "tuple[VideoFrame, Fraction]"
"""A decoded picture, and its time in seconds."""
_MAX_UNTIMED = 16
"""Pictures at the beginning that wait for the first time that a file states."""
_TOLERANCE_S = Fraction(1, 2)
"""By which a file may end before the duration in its header, which is often rounded."""
_TAG_TOLERANCE_S = Fraction(1, 10)
"""By which a picture may end before the duration in its own tag, which muxers count exactly."""


def read_video(
    path: Path,
    name: str,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    settings: ReadSettings = ReadSettings(),  # noqa: B008 (frozen)
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Yields the frames of a file as players show them: display matrix applied, colours as tagged.

    Frames are numbered from the range's start; times are the file's. Frames of another size are
    scaled to that of the first.

    Raises UnreadableVideoError if nothing can be decoded, or, if `strict`, at the first damage;
    DamagedVideoError after the last frame if some could not be decoded; LimitError for frames that
    are too large.
    """
    limits = limits or Limits()
    with open_video(path) as video:
        limits.check_video(path, video.stream.width, video.stream.height)
        # Frames may grow in the middle of a file; then the decoder refuses them.
        video.decoder.options = {"max_pixels": str(limits.pixels)}
        convert, damage = (
            PictureConverter(settings, video.bottom_first),
            Damage(video, frame_range.start, settings.strict),
        )
        pictures = _pictures_from(video, frame_range.start, damage)
        if settings.deinterlace:
            pictures = deinterlaced(pictures)

        def frames() -> Iterator[Frame]:
            for index, (picture, time) in enumerate(pictures):
                image, stored = convert(picture)
                yield Frame(image, name, index, time, stored)

        yield from frame_range(frames())
        damage.check()


def count_frames(path: Path, frame_range: FrameRange = FrameRange()) -> int | None:  # noqa: B008 (frozen)
    """Returns how many frames of a range a file's header announces; None if it does not say."""
    with open_video(path) as video:
        frames, duration = video.stream.frames, video.duration
        if not frames:
            if duration is None or not video.rate:
                return None
            frames = round(duration * video.rate)
        return frame_range.count(frames, video.rate)


def _pictures_from(video: OpenVideo, start: Fraction, damage: Damage) -> Iterator[_TimedPicture]:
    """Yields the pictures from a time on; 0 is the beginning."""

    def read() -> Iterator[_TimedPicture]:
        damage.forget()
        return _timed_pictures(video, damage, from_start=not start)

    if not start:
        return read()
    pictures = video.read_from(start, read, lambda timed: timed[1])
    return (timed for timed in pictures if timed[1] >= start)


def _timed_pictures(video: OpenVideo, damage: Damage, from_start: bool) -> Iterator[_TimedPicture]:
    """Yields pictures with their times. Those without one are evenly spaced after the picture
    before, or, at the beginning, before the first that has one."""
    step = 1 / video.rate if video.rate else Fraction(0)
    untimed: list[VideoFrame] = []
    time: Fraction | None = None
    for picture in _pictures(video, damage, from_start):
        stated = video.time_of_picture(picture)
        if time is None:
            if stated is None and video.has_timestamps and len(untimed) < _MAX_UNTIMED:
                untimed.append(picture)
                continue
            time = (stated or 0) - step * (len(untimed) + 1)
        for early in untimed:
            time += step
            yield early, time
        untimed.clear()
        time = time + step if stated is None else stated
        yield picture, time
    yield from ((picture, number * step) for number, picture in enumerate(untimed))


def _pictures(video: OpenVideo, damage: Damage, from_start: bool) -> Iterator[VideoFrame]:
    """Yields decoded pictures in display order; `from_start` says whether they are all of the file.

    Frame threads stay off: they report errors late, and PyAV drops the errors that occur while it
    drains the decoder.
    """
    from av.error import FFmpegError

    count = packets = 0
    ends = _Ends(video)
    for packet in _packets(video, damage):
        if packet is not None:
            ends.note(packet)
            # The packets that end a stream have no index of their own.
            of_picture = packet.stream.index == video.stream.index
            if packet.is_corrupt:
                damage.add_packet(video.time_of(packet), of_picture, count)
            if not of_picture:
                continue
            if packet.dts is not None or packet.pts is not None:
                packets += 1
                if not packet.size:
                    # A skipped frame; to the decoder an empty packet would mean the end.
                    continue
        try:
            pictures = video.decoder.decode(packet)
        except FFmpegError as error:
            time = None if packet is None else video.time_of(packet)
            damage.add_picture(time, count, error.strerror or str(error))
            continue
        for picture in pictures:
            if picture.is_corrupt:
                damage.add_picture(video.time_of_picture(picture), count)
            yield picture
            count += 1
    if from_start and not count:
        if video.decoder is not video.stream.codec_context:
            damage.forget()
            damage.end("its transparency cannot be decoded")
            yield from _pictures(video.without_alpha(), damage, from_start)
            return
        raise video.damaged("none of its frames can be decoded")
    if _is_truncated(video, packets, ends, from_start):
        damage.end(f"it is cut short after {count} frames")


def _packets(video: OpenVideo, damage: Damage) -> Iterator[Packet[Stream] | None]:
    """Yields the packets of all tracks, whose end also tells whether a file is truncated.

    None, which drains the decoder, follows the last one that can be read.
    """
    from av.error import FFmpegError

    try:
        yield from video.packets(video.stream, *video.companions)
    except FFmpegError as error:
        damage.end(f"it cannot be read to its end: {error.strerror or error}")
        yield None


class _Ends:
    """When the packets of each track end, in whole numbers of its time base."""

    def __init__(self, video: OpenVideo) -> None:
        self._video = video
        self._ends: dict[int, tuple[int, Fraction]] = {}  # and the time base, by track

    def note(self, packet: Packet[Stream]) -> None:
        """Notes a packet; one without a timestamp follows the last."""
        base = packet.time_base
        end, _ = self._ends.get(packet.stream.index) or (round(self._video.zero / base), base)
        ticks = packet.dts if packet.pts is None else packet.pts
        begin = end if ticks is None else ticks
        self._ends[packet.stream.index] = max(end, begin + (packet.duration or 0)), base

    def of(self, track: int) -> Fraction:
        """Seconds at which a track ends."""
        end, base = self._ends.get(track, (0, Fraction(0)))
        return end * base - self._video.zero if base else Fraction(0)

    def last(self) -> Fraction:
        """Seconds at which the last track ends."""
        return max(map(self.of, self._ends), default=Fraction(0))


def _is_truncated(video: OpenVideo, packets: int, ends: _Ends, from_start: bool) -> bool:
    """Returns whether the header announced more; libav reports no error at such an end.

    `from_start` says whether `packets` counts all packets of the file.
    """
    if (announced_picture := video.picture_duration) is not None:
        return ends.of(video.stream.index) + _TAG_TOLERANCE_S < announced_picture
    end = ends.last()
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
